"""What was kept of an item, to look at and to take away; and withdrawing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import Response, current_app, g
from marshmallow import Schema, fields, validate

from incidentwire import items
from incidentwire.archive import Archive
from incidentwire.events import ItemWithdrawn
from incidentwire.items import State
from incidentwire.log.event_log import EventLog, VersionConflict, Withdrawn
from incidentwire.web.auth import require
from incidentwire.web.problems import Problem
from services.api.http import Blueprint, QuerySchema, clean, text
from services.api.items import inert_page, revisions, warc
from services.api.items.inert_page import Rendition
from services.api.items.revisions import StoredRevision

T = TypeVar("T")

MAX_WHY = 500  # characters
TRIES = (
    10  # an item changes a few times in its life: to lose this often is something else
)

blueprint = Blueprint(
    "evidence",
    __name__,
    url_prefix="/v1",
    description="What was kept, and withdrawing it",
)


class RevisionQuerySchema(QuerySchema):
    digest = text(
        "an earlier revision, by the digest of its page, document or text", most=64
    )


class WhySchema(Schema):
    error_messages = {"unknown": "is not known here: only `why` is"}  # noqa: RUF012
    why = fields.String(
        validate=[validate.Length(max=MAX_WHY), clean],
        metadata={
            "description": "the reason, for the log: it stays there for ever, so name nobody"
        },
    )


class WithdrawnSchema(Schema):
    id = fields.String(required=True)
    state = fields.String(required=True)
    position = fields.Integer(
        required=True, metadata={"description": "of the withdrawal in the log"}
    )
    alias_of = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "the item it was an alias of, which is still there"},
    )


@blueprint.route("/items/<item_id>/snapshot", methods=["GET"])
@require("read")
@blueprint.arguments(RevisionQuerySchema, location="query")
@blueprint.response(200, {"type": "string"}, content_type="text/html")
def show_snapshot(query: dict[str, Any], item_id: str) -> Response:
    """The page as it was kept, inert: no script runs, and opening it asks nobody outside for anything."""
    revision = revisions.find(_log(), item_id, query.get("digest"))
    shown = _run(_snapshot, _archive(), revision)
    headers = {**inert_page.HEADERS, "Content-Disposition": shown.disposition}
    return Response(shown.body, 200, headers, content_type=shown.content_type)


@blueprint.route("/items/<item_id>/evidence.warc.gz", methods=["GET"])
@require("read")
@blueprint.arguments(RevisionQuerySchema, location="query")
@blueprint.response(
    200, {"type": "string", "format": "binary"}, content_type="application/gzip"
)
def show_warc(query: dict[str, Any], item_id: str) -> Response:
    """Page, headers, extracted document and text as a WARC 1.1 file; the page is left out once its time is over."""
    revision = revisions.find(_log(), item_id, query.get("digest"))
    body = _run(_warc, _archive(), revision)
    name = f'attachment; filename="{revision.item}.warc.gz"'
    headers = {
        "Content-Disposition": name,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(body, 200, headers, mimetype="application/gzip")


@blueprint.route("/items/<item_id>", methods=["DELETE"])
@require("admin")
@blueprint.arguments(WhySchema, location="query")
@blueprint.arguments(WhySchema, required=False)
@blueprint.response(200, WithdrawnSchema)
def withdraw(
    query: dict[str, Any], body: dict[str, Any], item_id: str
) -> dict[str, Any]:
    """Withdraw an item: page and text are deleted, and the log keeps the bare fact. There is no way back.

    `why` may come as JSON or in the query. Withdrawing twice is no error. An alias is withdrawn itself; the item that
    it stands for stays.
    """
    log = _log()
    item = _withdrawn(log, item_id, g.who, body.get("why") or query.get("why") or "")
    position = next(
        entry.position
        for entry in log.history(item_id)
        if isinstance(entry.event, ItemWithdrawn)
    )
    _run(
        _archive().delete, item_id
    )  # a process that dies before this is made up for by the keeper, which follows the log
    return {
        "id": item_id,
        "state": str(State.WITHDRAWN),
        "position": position,
        "alias_of": item.alias_of,
    }


def _withdrawn(log: EventLog, item_id: str, who: str, why: str) -> items.Item:
    """The item, withdrawn now or before. Raises Problem 404."""
    for _ in range(TRIES):
        item = items.fold_all(
            item_id, log.history(item_id) if item_id.startswith("i_") else ()
        )
        if item.version == 0:
            raise Problem(status=404, slug="unknown-item", detail="no item has this id")
        if item.state is State.WITHDRAWN:
            return item
        event = ItemWithdrawn(who=who, why=why, labels_before=item.labels)
        try:
            log.append(item_id, event, expected_versions={item_id: item.version})
        except VersionConflict:
            continue  # labels may be others now: look again
        except Withdrawn:
            pass
        return item
    raise Problem(
        status=503,
        slug="busy",
        detail="the item changes too fast: try again",
        retry_after_s=1,
    )


def _snapshot(archive: Archive, revision: StoredRevision) -> Rendition:
    body, headers = revisions.page(archive, revision)
    return inert_page.render(
        revision.item, body, revision.fetched.media_type or "", headers
    )


def _warc(archive: Archive, revision: StoredRevision) -> bytes:
    kept, document = revisions.document(archive, revision)
    has_page = revision.fetched.page_digest is not None and not revision.page_expired
    page = revisions.page(archive, revision) if has_page else None
    return warc.evidence(revision, page, kept, document.text)


def _run(function: Callable[..., T], *args: Any) -> T:
    """Reading, inflating and packing a large page takes long: in a thread, so that no stream has to wait for it."""
    return cast("T", current_app.extensions["incidentwire.reader"].run(function, args))


def _log() -> EventLog:
    return EventLog(current_app.extensions["incidentwire.connection"])


def _archive() -> Archive:
    return cast("Archive", current_app.extensions["incidentwire.archive"])
