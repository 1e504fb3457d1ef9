"""The stored evidence of an item, to view and to download; and withdrawal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import gevent
from flask import Response, current_app, g
from marshmallow import Schema, fields, validate

from incidentwire import items
from incidentwire.archive import Archive
from incidentwire.events import ItemWithdrawn
from incidentwire.items import State
from incidentwire.log.event_log import EventLog, VersionConflict, Withdrawn
from incidentwire.web.auth import require
from incidentwire.web.text_checks import clean
from services.api.errors import Busy, RenditionTimeout
from services.api.http import (
    Blueprint,
    QuerySchema,
    archive,
    event_log,
    reader,
    text,
)
from services.api.items import inert_page, revisions, warc
from services.api.items.inert_page import Rendition
from services.api.items.lookup import item_of
from services.api.items.revisions import StoredRevision

T = TypeVar("T")

MAX_WHY = 500  # characters
TRIES = 10  # an item changes a few times in its life; more conflicts are no accident
RENDITION_TIMEOUT_S = 10.0

blueprint = Blueprint(
    "evidence",
    __name__,
    url_prefix="/v1",
    description="Stored evidence, and withdrawal",
)


class RevisionQuerySchema(QuerySchema):
    """Which revision of the item to show."""

    digest = text(
        "an earlier revision, by the digest of its page, document or text", most=64
    )


class WhySchema(Schema):
    """The reason of a withdrawal."""

    error_messages = {"unknown": "Unknown field. Send only `why`."}  # noqa: RUF012
    why = fields.String(
        validate=[validate.Length(max=MAX_WHY), clean],
        metadata={
            "description": "the reason; it stays in the log forever, so name nobody"
        },
    )


class WithdrawnSchema(Schema):
    """The item after its withdrawal."""

    id = fields.String(required=True)
    state = fields.String(required=True)
    position = fields.Integer(
        required=True, metadata={"description": "of the withdrawal in the log"}
    )
    alias_of = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "the target of an alias, which is not withdrawn"},
    )


@blueprint.route("/items/<item_id>/snapshot", methods=["GET"])
@require("read")
@blueprint.arguments(RevisionQuerySchema, location="query")
@blueprint.response(200, {"type": "string"}, content_type="text/html")
def show_snapshot(query: dict[str, Any], item_id: str) -> Response:
    """Show the stored page, inert: no script runs and nothing outside is requested."""
    revision = revisions.find(event_log(), item_id, query.get("digest"))
    shown = _render(_snapshot, revision)
    headers = {**inert_page.HEADERS, "Content-Disposition": shown.disposition}
    return Response(shown.body, 200, headers, content_type=shown.content_type)


@blueprint.route("/items/<item_id>/evidence.warc.gz", methods=["GET"])
@require("read")
@blueprint.arguments(RevisionQuerySchema, location="query")
@blueprint.response(
    200, {"type": "string", "format": "binary"}, content_type="application/gzip"
)
def show_warc(query: dict[str, Any], item_id: str) -> Response:
    """Download page, headers, document and text as a WARC 1.1 file.

    The page is left out after its retention period.
    """
    revision = revisions.find(event_log(), item_id, query.get("digest"))
    body = _render(_warc, revision)
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
    """Withdraw an item for good: page and text are deleted, the log keeps the fact.

    `why` may come as JSON or in the query. Withdrawing twice is not an error. Of an
    alias, only the alias is withdrawn and its target stays.
    """
    log = event_log()
    item = _withdrawn(log, item_id, g.who, body.get("why") or query.get("why") or "")
    position = next(
        entry.position
        for entry in log.history(item_id)
        if isinstance(entry.event, ItemWithdrawn)
    )
    # If this process dies here, the keeper, which follows the log, deletes the files.
    reader().run(archive().delete, (item_id,))
    return {
        "id": item_id,
        "state": str(State.WITHDRAWN),
        "position": position,
        "alias_of": item.alias_of,
    }


def _withdrawn(log: EventLog, item_id: str, who: str, why: str) -> items.Item:
    """Return the item, withdrawn now or earlier. Raises UnknownItem or Busy."""
    for _ in range(TRIES):
        item, _ = item_of(log, item_id)
        if item.state is State.WITHDRAWN:
            return item
        event = ItemWithdrawn(who=who, why=why, labels_before=item.labels)
        try:
            log.append(item_id, event, expected_versions={item_id: item.version})
        except VersionConflict:
            continue  # labels may have changed: read again
        except Withdrawn:
            pass
        return item
    raise Busy("item")


def _snapshot(archive: Archive, revision: StoredRevision) -> Rendition:
    body, headers = revisions.page(archive, revision)
    media_type = revision.fetched.media_type or ""
    content_type = headers.get("content-type")
    return inert_page.render(revision.item, body, media_type, content_type)


def _warc(archive: Archive, revision: StoredRevision) -> bytes:
    kept, document = revisions.document(archive, revision)
    has_page = revision.fetched.page_digest is not None and not revision.page_expired
    page = revisions.page(archive, revision) if has_page else None
    return warc.evidence(revision, page, kept, document.text)


def _render(
    function: Callable[[Archive, StoredRevision], T], revision: StoredRevision
) -> T:
    """Run in a thread what reads and packs a large page, so that no stream waits.

    Raises RenditionTimeout after RENDITION_TIMEOUT_S, waiting for a thread included.
    """
    try:
        with (
            gevent.Timeout(RENDITION_TIMEOUT_S),
            current_app.extensions["incidentwire.renditions"],
        ):
            return cast("T", reader().run(function, (archive(), revision)))
    except gevent.Timeout:
        raise RenditionTimeout from None
