"""The items over HTTP: the list with its filters, one item, its text, its history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Response, request
from marshmallow import fields, validate

from incidentwire.items import State
from incidentwire.labels import LABELS
from incidentwire.log.cloudevents import envelope_json
from incidentwire.web.auth import require
from services.api.errors import NoText, TextGone, UnknownItem
from services.api.events.schemas import EventsPageSchema
from services.api.filters.field import CountryField
from services.api.http import (
    DATE,
    Blueprint,
    Names,
    QuerySchema,
    ReadQuerySchema,
    as_answer,
    check_filters,
    cursor,
    event_log,
    filters_of,
    host,
    limit,
    reader,
    text,
    wait_for,
)
from services.api.items import queries, table
from services.api.items.lookup import item_of
from services.api.items.schemas import ItemPageSchema, ItemSchema, TextSchema
from services.api.read_model.reader import Reader
from services.api.topics.asked import QueryField, TopicField

EXPORT_PAGE = 200  # rows per query of an export; each reads a text
CURSOR = "^n[1-9][0-9]{0,15}$"

blueprint = Blueprint(
    "items", __name__, url_prefix="/v1", description="The items in their current state"
)


class ItemFilterSchema(ReadQuerySchema):
    """The filters of the list of items."""

    label = Names(LABELS, "items that have all of these labels")
    state = fields.String(validate=validate.OneOf([str(state) for state in State]))
    language = text("ISO 639-1 code", most=8)
    entity = text("a name in its title, in any of its spellings")
    country = CountryField()
    topic = TopicField("name of a topic that it is on")
    host = host("host of the item's URL")
    site = text("the site's name as its pages give it")
    via = text("name of the key or feed that submitted it")
    since = fields.Date(
        error_messages=DATE,
        data_key="from",
        metadata={"description": "published (or submitted, if unknown) on or after"},
    )
    until = fields.Date(
        error_messages=DATE,
        data_key="to",
        metadata={"description": "published (or submitted, if unknown) on or before"},
    )
    q = QueryField()
    review = fields.Boolean(
        metadata={"description": "true: only items that the model is unsure of"}
    )


class ItemsQuerySchema(ItemFilterSchema):
    """The filters of the list of items, and which page."""

    limit = limit()
    cursor = cursor(CURSOR)


check_filters(ItemsQuerySchema, queries.CONDITIONS)


@blueprint.route("/items", methods=["GET"])
@require("read")
@blueprint.arguments(ItemsQuerySchema, location="query")
@blueprint.response(200, ItemPageSchema)
def list_items(query: dict[str, Any]) -> Response:
    """List items, newest first. Aliases are listed only with `state=aliased`."""
    wait_for(query.get("min_position"))
    before = int(query["cursor"][1:]) if "cursor" in query else None
    page = reader().read(queries.page, filters_of(query), query["limit"], before)
    # The cursor is the last item's place in the log: new items shift nothing.
    return as_answer(
        {
            "items": page.items,
            "next": f"n{page.before}" if page.before else None,
            "position": page.position,
            "log_id": page.log_id,
        }
    )


@blueprint.route("/items/export.csv", methods=["GET"])
@require("read")
@blueprint.arguments(ItemFilterSchema, location="query")
@blueprint.response(200, {"type": "string"}, content_type="text/csv")
def export_csv(query: dict[str, Any]) -> Response:
    """Export all matching items with sources, evidence and incidents, newest first.

    Cells that a spreadsheet would take for a formula begin with an apostrophe.
    """
    wait_for(query.get("min_position"))
    asked = filters_of(query)
    source = reader()
    first = source.read(queries.page, asked, EXPORT_PAGE, None)
    headers = {"Content-Disposition": 'attachment; filename="items.csv"'}
    return Response(_lines(source, asked, first), 200, headers, mimetype="text/csv")


def _lines(
    source: Reader, asked: dict[str, Any], page: queries.ItemPage
) -> Iterator[bytes]:
    yield table.header() + table.lines(page.items)
    while page.before:
        page = source.read(queries.page, asked, EXPORT_PAGE, page.before)
        yield table.lines(page.items)


@blueprint.route("/items/<item_id>", methods=["GET"])
@require("read")
@blueprint.arguments(ReadQuerySchema, location="query")
@blueprint.response(200, ItemSchema)
def show_item(query: dict[str, Any], item_id: str) -> Response:
    """Show one item with its evidence quoted. An alias answers with its target."""
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
    """Show the stored text that evidence offsets refer to.

    With `Accept: text/plain` the answer is the text alone.
    """
    wait_for(query.get("min_position"))
    found = _found(reader().read(queries.words, item_id))
    if found["text"] is None:
        was_stored = found["text_digest"] is not None
        if was_stored or found["state"] == State.WITHDRAWN:
            raise TextGone
        raise NoText
    accepted = request.accept_mimetypes.best_match(["application/json", "text/plain"])
    if accepted == "text/plain":
        return Response(found["text"].encode(), 200, mimetype="text/plain")
    return as_answer(found)


@blueprint.route("/items/<item_id>/events", methods=["GET"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, EventsPageSchema)
def show_events(query: dict[str, Any], item_id: str) -> Response:
    """Show the item's own events from the log, which is never out of date."""
    log = event_log()
    _, history = item_of(log, item_id)
    events = ",".join(envelope_json(entry, log.id) for entry in history)
    body = (
        f'{{"log_id":"{log.id}","events":[{events}],'
        f'"next":{history[-1].position},"last":{log.last()}}}'
    )
    return Response(body, 200, mimetype="application/json")


def _found(item: dict[str, Any] | None) -> dict[str, Any]:
    if item is None:
        raise UnknownItem
    return item
