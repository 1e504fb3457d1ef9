"""The items over HTTP: the list with its filters, one item, its text, its history."""

from __future__ import annotations

import json
from typing import Any, cast

from flask import Response, current_app, request
from marshmallow import fields, validate

from incidentwire.items import State
from incidentwire.labels import LABELS
from incidentwire.log.cloudevents import envelope_json
from incidentwire.log.event_log import EventLog
from incidentwire.web.auth import require
from incidentwire.web.problems import Problem
from services.api.events.views import EventsPageSchema
from services.api.http import Blueprint, Names, QuerySchema, position, text
from services.api.items import queries
from services.api.items.schemas import ItemPageSchema, ItemSchema, TextSchema
from services.api.read_model.reader import Reader

MAX_PAGE = 200
CURSOR = "^n[1-9][0-9]{0,15}$"
FILTERS = (
    "label",
    "state",
    "language",
    "host",
    "site",
    "via",
    "from",
    "to",
    "q",
    "review",
)

blueprint = Blueprint(
    "items", __name__, url_prefix="/v1", description="The items as they stand now"
)


class ReadQuerySchema(QuerySchema):
    min_position = position(
        "wait until the read model has this position: read what you wrote (5 s, then 503)"
    )


class ItemsQuerySchema(ReadQuerySchema):
    label = Names(LABELS, "items that have all of these labels")
    state = fields.String(validate=validate.OneOf([str(state) for state in State]))
    language = text("ISO 639-1 code", most=8)
    host = text("host of the item's URL", most=253)
    site = text("the site's name as its pages give it")
    via = text("name of the key or feed that handed it in")
    since = fields.Date(
        data_key="from",
        metadata={"description": "published (or submitted, if unknown) on or after"},
    )
    until = fields.Date(
        data_key="to",
        metadata={"description": "published (or submitted, if unknown) on or before"},
    )
    q = text(
        'words of title and text, all of them; "…" for a phrase, word* for a beginning',
        most=500,
    )
    review = fields.Boolean(
        metadata={"description": "true: only items that the model hesitates over"}
    )
    limit = fields.Integer(
        validate=validate.Range(min=1, max=MAX_PAGE), load_default=50
    )
    cursor = fields.String(
        validate=validate.Regexp(
            CURSOR,
            error="is no cursor of ours: pass `next` of the page before as it is",
        ),
        metadata={
            "description": "`next` of the page before; keep the filters as they were"
        },
    )


@blueprint.route("/items", methods=["GET"])
@require("read")
@blueprint.arguments(ItemsQuerySchema, location="query")
@blueprint.response(200, ItemPageSchema)
def list_items(query: dict[str, Any]) -> Response:
    """List items, the newest first; aliases only where `state=aliased` asks for them."""
    wait_for(query.get("min_position"))
    asked = {name: query[name] for name in FILTERS if name in query}
    for name, key in (("from", "since"), ("to", "until")):
        if key in query:
            asked[name] = query[key].isoformat()
    if "cursor" in query:
        asked["before"] = int(query["cursor"][1:])
    page = reader().read(queries.page, asked, query["limit"])
    cursor = (
        f"n{page.before}" if page.before else None
    )  # the last item's place: what comes in shifts nothing
    body = {
        "items": page.items,
        "next": cursor,
        "position": page.position,
        "log_id": page.log_id,
    }
    return as_answer(body)


@blueprint.route("/items/<item_id>", methods=["GET"])
@require("read")
@blueprint.arguments(ReadQuerySchema, location="query")
@blueprint.response(200, ItemSchema)
def show_item(query: dict[str, Any], item_id: str) -> Response:
    """One item, with its evidence quoted. The id of an alias answers with the item it stands for."""
    wait_for(query.get("min_position"))
    return as_answer(_found(reader().read(queries.one, item_id)))


@blueprint.route("/items/<item_id>/text", methods=["GET"])
@require("read")
@blueprint.arguments(ReadQuerySchema, location="query")
@blueprint.response(200, TextSchema)
@blueprint.alt_response(
    200, schema={"type": "string"}, content_type="text/plain", success=True
)
def show_text(query: dict[str, Any], item_id: str) -> Response:
    """The kept text to which evidence offsets refer; with `Accept: text/plain`, the text alone."""
    wait_for(query.get("min_position"))
    found = _found(reader().read(queries.words, item_id))
    if found["text"] is None:
        gone = found["state"] == State.WITHDRAWN or found["text_digest"] is not None
        slug, detail = ("text-gone", "the text was withdrawn, or its time was over") if gone else (
            "no-text", "no text was kept of this item (yet)")  # fmt: skip
        raise Problem(status=410 if gone else 404, slug=slug, detail=detail)
    if (
        request.accept_mimetypes.best_match(["text/plain", "application/json"])
        == "text/plain"
    ):
        return Response(found["text"].encode(), 200, mimetype="text/plain")
    return as_answer(found)


@blueprint.route("/items/<item_id>/events", methods=["GET"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, EventsPageSchema)
def show_events(query: dict[str, Any], item_id: str) -> Response:
    """The item's own history, from the log: never behind."""
    log = EventLog(current_app.extensions["incidentwire.connection"])
    log_id, history, last = log.id, log.history(item_id), log.last()
    if not history or not history[0].type.startswith("item."):
        raise Problem(status=404, slug="unknown-item", detail="no item has this id")
    events = ",".join(envelope_json(entry, log_id) for entry in history)
    body = f'{{"log_id":"{log_id}","events":[{events}],"next":{history[-1].position},"last":{last}}}'
    return Response(body, 200, mimetype="application/json")


def reader() -> Reader:
    return cast("Reader", current_app.extensions["incidentwire.reader"])


def wait_for(position: int | None) -> None:
    """Return once the read model has this position. Raises Problem 503 where that takes too long, and 409 for a
    position that the log itself has not."""
    if position is None or reader().position() >= position:
        return
    last = EventLog(current_app.extensions["incidentwire.connection"]).last()
    if position > last:
        detail = f"the log ends at {last}: the position is of another log, or wrong"
        raise Problem(status=409, slug="position-ahead", detail=detail)
    reader().wait_for(position)


def _found(item: dict[str, Any] | None) -> dict[str, Any]:
    if item is None:
        raise Problem(status=404, slug="unknown-item", detail="no item has this id")
    return item


def as_answer(body: dict[str, Any]) -> Response:
    return Response(
        json.dumps(body, ensure_ascii=False), 200, mimetype="application/json"
    )
