"""The log over HTTP in pages: GET /v1/events as JSON or NDJSON, and the schemas of what is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

import redis
from flask import Response, current_app, request
from marshmallow import Schema, fields, validate

from incidentwire.events import TYPES
from incidentwire.labels import LABELS
from incidentwire.log import schemas
from incidentwire.log.cloudevents import envelope_json
from incidentwire.log.event_log import PAGE, EventLog
from incidentwire.log.recorded_event import RecordedEvent
from incidentwire.web.auth import require
from incidentwire.web.problems import Problem
from services.api.events.filters import CHOICES, EventFilter, wanted
from services.api.http import Blueprint, Names, QuerySchema, position, text

NDJSON = "application/x-ndjson"
EXAMINED = 10_000  # entries that one JSON page looks at, at most: a rare filter answers early, with `next`

blueprint = Blueprint(
    "events",
    __name__,
    url_prefix="/v1",
    description="The log: everything that happened, in order",
)


class EventFilterSchema(QuerySchema):
    type = Names(CHOICES, "event types, or families such as `item.`")
    label = Names(
        LABELS,
        "only events that speak of one of these labels, as they are or were before",
    )
    subject = text("only events of this item, incident, feed or subscription", most=100)


class EventsQuerySchema(EventFilterSchema):
    after = position("behind this position", load_default=0)
    limit = fields.Integer(
        validate=validate.Range(min=1, max=2**53 - 1),
        metadata={
            "description": f"events at most: in JSON 100 unless said and never above {PAGE}, in NDJSON all unless said"
        },
    )
    log_id = text(
        "the log that `after` is a position of; 409 where this is another one", most=64
    )


class CloudEventSchema(Schema):
    """A CloudEvents 1.0 envelope; /v1/schemas/<type> says it exactly for each type."""

    specversion = fields.String(required=True)
    id = fields.String(required=True, metadata={"description": "the position, as text"})
    source = fields.String(required=True)
    type = fields.String(required=True)
    subject = fields.String(required=True)
    time = fields.String(required=True)
    sequence = fields.Integer(required=True, metadata={"description": "the position"})
    datacontenttype = fields.String()
    traceparent = fields.String()
    data = fields.Dict(required=True)


class EventsPageSchema(Schema):
    log_id = fields.String(required=True)
    events = fields.List(fields.Nested(CloudEventSchema), required=True)
    next = fields.Integer(
        required=True,
        metadata={
            "description": "ask behind this position next: up to it, everything was looked at"
        },
    )
    last = fields.Integer(
        required=True, metadata={"description": "the last position of the log"}
    )


class SchemaListSchema(Schema):
    types = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


@blueprint.route("/events", methods=["GET"])
@require("read")
@blueprint.arguments(EventsQuerySchema, location="query")
@blueprint.response(200, EventsPageSchema)
@blueprint.alt_response(
    200, schema={"type": "string"}, content_type=NDJSON, success=True
)
def events(query: dict[str, Any]) -> Response:
    """Read the log.

    With `Accept: application/x-ndjson`, one event per line, to the end of the log as it is now (header
    `Incidentwire-Last`) or to the limit. 409 says that `after` is ahead of the log or of another one, 410 that the
    log no longer reaches back so far; both carry `log_id`, `first` and `last`.
    """
    log = EventLog(
        cast("redis.Redis", current_app.extensions["incidentwire.connection"])
    )
    log_id, after, asked = log.id, query["after"], event_filter_of(query)
    first, last = log.first(), log.last()
    _check_cursor(
        after,
        query.get("log_id") or log_id,
        {"log_id": log_id, "first": first, "last": last},
    )
    if request.accept_mimetypes.best_match(["application/json", NDJSON]) == NDJSON:
        lines = _lines(log, log_id, asked, after, last, query.get("limit"))
        return Response(lines, 200, {"Incidentwire-Last": str(last)}, mimetype=NDJSON)
    limit = min(query.get("limit", 100), PAGE)
    found, position = _page(log, asked, after, limit, last)
    body = ",".join(envelope_json(entry, log_id) for entry in found)
    page = f'{{"log_id":"{log_id}","events":[{body}],"next":{position},"last":{max(last, position)}}}'
    return Response(page, 200, mimetype="application/json")


@blueprint.route("/schemas", methods=["GET"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, SchemaListSchema)
def list_schemas(query: dict[str, Any]) -> dict[str, Any]:
    """Every event type, and where its JSON Schema is."""
    return {"types": {name: f"/v1/schemas/{name}" for name in sorted(TYPES)}}


@blueprint.route("/schemas/<type_name>", methods=["GET"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.alt_response(
    200, schema={"type": "object"}, content_type="application/schema+json", success=True
)
def schema(query: dict[str, Any], type_name: str) -> Response:
    """The JSON Schema (2020-12) of one type's envelope."""
    if type_name not in TYPES:
        raise Problem(
            status=404,
            slug="unknown-type",
            detail="no event type has this name: /v1/schemas lists them",
        )
    return Response(
        json.dumps(schemas.envelope_schema(type_name)),
        200,
        mimetype="application/schema+json",
    )


def event_filter_of(query: dict[str, Any]) -> EventFilter:
    """The filter that a query asks for."""
    return wanted(
        types=query.get("type", ()),
        labels=query.get("label", ()),
        subject=query.get("subject"),
    )


def _check_cursor(after: int, log_id: str, held: dict[str, Any]) -> None:
    if log_id != held["log_id"]:
        detail = "the position is of another log: load /v1/items, and go on behind the position that it answers with"
        raise Problem(status=409, slug="another-log", detail=detail, more=held)
    if after > held["last"]:
        detail = "the position is ahead of the log, which may have been restored: load /v1/items, and go on from there"
        raise Problem(status=409, slug="position-ahead", detail=detail, more=held)
    if after + 1 < held["first"]:
        detail = "the log no longer reaches back so far: load /v1/items, and go on behind its position"
        raise Problem(status=410, slug="position-gone", detail=detail, more=held)


def _page(
    log: EventLog, asked: EventFilter, after: int, limit: int, last: int
) -> tuple[list[RecordedEvent], int]:
    """Up to `limit` matching entries, and the position up to which everything was looked at."""
    if asked.subject:
        history = (
            entry
            for entry in log.history(asked.subject)
            if after < entry.position <= last
        )
        found = [entry for entry in history if asked.matches(entry)]
        return found[:limit], found[limit - 1].position if len(found) >= limit else last
    found = []
    for entries in _pages(
        log, after, min(after + EXAMINED, last), limit if asked.is_all else PAGE
    ):
        for entry in entries:
            after = entry.position
            if asked.matches(entry):
                found.append(entry)
                if len(found) == limit:
                    return found, after
    return found, after


def _lines(
    log: EventLog,
    log_id: str,
    asked: EventFilter,
    after: int,
    last: int,
    limit: int | None,
) -> Iterator[bytes]:
    """NDJSON, a page of the log per chunk, from the stored JSON without decoding it."""
    left = limit if limit is not None else last - after
    for entries in _pages(log, after, last, min(PAGE, left) if asked.is_all else PAGE):
        matching = (
            entries
            if asked.is_all
            else [entry for entry in entries if asked.matches(entry)]
        )
        chosen = matching[:left]
        if chosen:
            yield (
                "\n".join([envelope_json(entry, log_id) for entry in chosen]) + "\n"
            ).encode()
        left -= len(chosen)
        if left <= 0:
            return


def _pages(
    log: EventLog, after: int, last: int, size: int
) -> Iterator[list[RecordedEvent]]:
    """Pages of the log behind `after`, up to `last`."""
    while after < last:
        entries = log.after(after, min(size, last - after))
        if not entries:
            return
        after = entries[-1].position
        yield entries
