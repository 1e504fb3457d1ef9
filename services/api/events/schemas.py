"""The shapes of events in queries and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from incidentwire.labels import LABELS
from incidentwire.log import cursor
from services.api.events.filters import CHOICES, EventFilter, wanted
from services.api.filters.parser import MAX_CHARS
from services.api.http import Names, QuerySchema, position, text

CURSOR = (
    "resume after this event: `cursor` of a page, or the id of a stream's event. "
    "Overrides `after`; "
)
INVALID_EVENT_CURSOR = "Invalid cursor. Use the `cursor` of a page or the id of a stream's event unchanged."
MAX_WAIT_S = 30  # proxies commonly cut a silent request at 60 s


def event_cursor(mismatch: str) -> fields.String:
    """Return the parameter that names the event after which to resume."""
    return fields.String(
        validate=validate.Regexp(cursor.PATTERN, error=INVALID_EVENT_CURSOR),
        metadata={"description": CURSOR + mismatch},
    )


class EventFilterSchema(QuerySchema):
    """Which events a page or a stream shows."""

    type = Names(CHOICES, "event types, or families such as `item.`")
    label = Names(LABELS, "only events with one of these labels, now or before")
    subject = text("only events of this item, incident, feed or subscription", most=100)
    q = text(
        "filter in the language of GET /v1/search, with the fields type:, label: and "
        "subject:",
        most=MAX_CHARS,
    )


class EventsQuerySchema(EventFilterSchema):
    """The query of GET /v1/events."""

    after = position("only events after this position", load_default=0)
    limit = position(
        "at most this many events; JSON: 100 by default, 1000 at most; NDJSON: all by "
        "default, as a stream",
        least=1,
    )
    log_id = text("the log that `after` is of; 409 if this is another one", most=64)
    cursor = event_cursor("409 if the log has another event there")
    wait = position(
        "long poll: if nothing matches, wait up to this many seconds for it; JSON only",
        most=MAX_WAIT_S,
    )


class StreamQuerySchema(EventFilterSchema):
    """The query of GET /v1/events/stream."""

    after = position(
        "resume after this position; without it, cursor and Last-Event-ID, from now on"
    )
    cursor = event_cursor("if the log has another event there, it begins with a gap")
    log_id = text(
        "the log that the position is of; if this is another one, the stream begins "
        "with a gap",
        most=64,
    )


class CloudEventSchema(Schema):
    """A CloudEvents 1.0 envelope; /v1/schemas/<type> has the exact schema per type."""

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
    """A page of the log."""

    log_id = fields.String(required=True)
    events = fields.List(fields.Nested(CloudEventSchema), required=True)
    next = fields.Integer(
        required=True,
        metadata={"description": "send as `after` next; everything up to it was read"},
    )
    cursor = fields.String(
        required=True,
        metadata={
            "description": "better than `next`, send as `cursor`: it names the event as "
            "well, so that a log that lost its end and grew again is noticed"
        },
    )
    last = fields.Integer(
        required=True, metadata={"description": "the last position of the log"}
    )


class SchemaListSchema(Schema):
    """Event types and the addresses of their JSON Schemas."""

    types = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


def event_filter_of(query: Mapping[str, Any]) -> EventFilter:
    """Return the filter that a query asks for."""
    return wanted(
        types=query.get("type", ()),
        labels=query.get("label", ()),
        subject=query.get("subject"),
        query=query.get("q", ""),
    )
