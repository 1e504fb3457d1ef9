"""The log over HTTP in pages: GET /v1/events as JSON or NDJSON, and the schemas."""

from __future__ import annotations

import json
import time
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, cast

from flask import Response, current_app, g, request

from incidentwire.events import TYPES
from incidentwire.log import schemas
from incidentwire.log.cloudevents import envelope_json
from incidentwire.log.event_log import PAGE, EventLog
from incidentwire.log.log_position import LogPosition
from incidentwire.log.recorded_event import RecordedEvent
from incidentwire.web.auth import require
from services.api.errors import (
    AnotherEvent,
    AnotherLog,
    PositionAhead,
    PositionGone,
    UnknownEventType,
)
from services.api.events.broadcaster import Broadcaster
from services.api.events.filters import EventFilter
from services.api.events.schemas import (
    EventsPageSchema,
    EventsQuerySchema,
    SchemaListSchema,
    event_filter_of,
)
from services.api.http import Blueprint, QuerySchema, event_log

NDJSON = "application/x-ndjson"
JSON_LIMIT = 100  # events of a JSON page, if the client does not say
EXAMINED = 10_000  # entries read for one page with a limit: a rare filter answers early

blueprint = Blueprint(
    "events",
    __name__,
    url_prefix="/v1",
    description="The log: everything that happened, in order",
)


@blueprint.route("/events", methods=["GET"])
@require("read")
@blueprint.arguments(EventsQuerySchema, location="query")
@blueprint.response(200, EventsPageSchema)
@blueprint.alt_response(
    200, schema={"type": "string"}, content_type=NDJSON, success=True
)
def events(query: dict[str, Any]) -> Response:
    """Read the log.

    With `Accept: application/x-ndjson` the answer has one event per line, up to the
    present end of the log or to the limit; the headers `Incidentwire-Last` and
    `Incidentwire-Cursor` are the position and the cursor of that end: send the latter
    as the following `cursor`. 409 means that
    `after` or `cursor` is ahead of the log, of another one, or of another event, 410
    that the log no longer reaches back so far; both carry `log_id`, `first` and `last`.

    A page with a limit reads at most 10,000 events, so a rare filter may leave it
    shorter, or empty, before the end of the log: the end is where `next` (of NDJSON,
    `Incidentwire-Last`) stays as it was.

    Long poll: with `wait=30`, a page without events is answered when something matches,
    or after 30 s. Send `cursor` as the following `cursor`.
    """
    log = event_log()
    held = _held(log)
    start = _start(query, log.id)
    _check_cursor(start, log, held)
    after = start.position
    asked = event_filter_of(query)
    last: int = held["last"]
    accepted = request.accept_mimetypes.best_match(["application/json", NDJSON])
    if accepted == NDJSON:
        end = _end(log, asked, after, last, query.get("limit"))
        lines = _lines(log, held["log_id"], asked, after, end)
        cursor = LogPosition.at(log, end).cursor
        headers = {"Incidentwire-Last": str(end), "Incidentwire-Cursor": cursor}
        return Response(lines, 200, headers, mimetype=NDJSON)
    limit = min(query.get("limit", JSON_LIMIT), PAGE)
    found, position = _page(log, asked, after, limit, last)
    if not found and query.get("wait") and position >= last:
        found, position = _poll(log, asked, start, limit, query["wait"])
        last = log.last()
    body = ",".join(envelope_json(entry, held["log_id"]) for entry in found)
    page = (
        f'{{"log_id":"{held["log_id"]}","events":[{body}],"next":{position},'
        f'"cursor":"{LogPosition.at(log, position).cursor}","last":{max(last, position)}}}'
    )
    return Response(page, 200, mimetype="application/json")


@blueprint.route("/schemas", methods=["GET"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, SchemaListSchema)
def list_schemas(query: dict[str, Any]) -> dict[str, Any]:
    """List the event types and the addresses of their JSON Schemas."""
    return {"types": {name: f"/v1/schemas/{name}" for name in sorted(TYPES)}}


@blueprint.route("/schemas/<type_name>", methods=["GET"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.alt_response(
    200, schema={"type": "object"}, content_type="application/schema+json", success=True
)
def schema(query: dict[str, Any], type_name: str) -> Response:
    """Show the JSON Schema (2020-12) of one type's envelope."""
    if type_name not in TYPES:
        raise UnknownEventType
    body = json.dumps(schemas.envelope_schema(type_name))
    return Response(body, 200, mimetype="application/schema+json")


def _held(log: EventLog) -> dict[str, Any]:
    return {"log_id": log.id, "first": log.first(), "last": log.last()}


def _start(query: dict[str, Any], log_id: str) -> LogPosition:
    """Return after which event a page begins, as the client says."""
    of_log = query.get("log_id", log_id)
    start = LogPosition.parse(query.get("cursor", ""), of_log)
    return start or LogPosition(log_id=of_log, position=query["after"])


def _check_cursor(start: LogPosition, log: EventLog, held: dict[str, Any]) -> None:
    if start.log_id != held["log_id"]:
        raise AnotherLog(held)
    if start.position > held["last"]:
        raise PositionAhead(held["last"], held)
    if start.position + 1 < held["first"]:
        raise PositionGone(held)
    if not start.continues(log):
        raise AnotherEvent(held)


def _poll(
    log: EventLog, asked: EventFilter, start: LogPosition, limit: int, wait_s: float
) -> tuple[list[RecordedEvent], int]:
    """Wait until something matches; return it, and the position read up to.

    Counts as an open stream of the key while it waits. Raises AnotherEvent if the log
    loses the events that were read.
    """
    broadcaster = cast(
        "Broadcaster", current_app.extensions["incidentwire.broadcaster"]
    )
    broadcaster.start()
    if not start.event:  # a position alone would not show that its event was lost
        start = LogPosition.at(log, start.position)
    broadcaster.reserve(g.key_digest)
    deadline = time.monotonic() + wait_s
    try:
        while True:
            found, after = _page(log, asked, start.position, limit, log.last())
            if not start.continues(log):
                raise AnotherEvent(_held(log))
            start = LogPosition.at(log, after)
            left_s = deadline - time.monotonic()
            if found or not broadcaster.wait_beyond(after, left_s):
                return found, after
    finally:
        broadcaster.release(g.key_digest)


def _page(
    log: EventLog, asked: EventFilter, after: int, limit: int, last: int
) -> tuple[list[RecordedEvent], int]:
    """Return up to `limit` matching entries, and the position read up to."""
    found = []
    until = _examined(asked, after, last)
    for entries in _pages(log, asked, after, until, limit if asked.is_all else PAGE):
        for entry in entries:
            if asked.matches(entry):
                found.append(entry)
                if len(found) == limit:
                    return found, entry.position
    return found, until


def _examined(asked: EventFilter, after: int, last: int) -> int:
    """Return up to where a page with a limit is looked for, at most `last`.

    The events of one subject are found without reading the others.
    """
    return last if asked.subject else min(after + EXAMINED, last)


def _end(
    log: EventLog, asked: EventFilter, after: int, last: int, limit: int | None
) -> int:
    """Return the position up to which NDJSON is written, at most `last`.

    With a limit and a filter the log is read for it, since headers are sent first.
    """
    if limit is None:
        return last
    if asked.is_all:
        return min(last, after + limit)
    left = limit
    until = _examined(asked, after, last)
    for entries in _pages(log, asked, after, until, PAGE):
        matching = [entry.position for entry in entries if asked.matches(entry)]
        if len(matching) >= left:
            return matching[left - 1]
        left -= len(matching)
    return until


def _lines(
    log: EventLog, log_id: str, asked: EventFilter, after: int, end: int
) -> Iterator[bytes]:
    """Yield NDJSON, one page of the log per chunk, without decoding the stored JSON."""
    yield b""  # sends the headers: a rare filter may match late
    for entries in _pages(log, asked, after, end, PAGE):
        chosen = [entry for entry in entries if asked.matches(entry)]
        if chosen:
            lines = "\n".join([envelope_json(entry, log_id) for entry in chosen])
            yield f"{lines}\n".encode()


def _pages(
    log: EventLog, asked: EventFilter, after: int, last: int, size: int
) -> Iterator[list[RecordedEvent]]:
    """Yield pages of what may match in the log after `after`, up to `last`."""
    if asked.subject:
        yield from _pages_of_subject(log, asked.subject, after, last)
        return
    while after < last:
        entries = log.after(after, min(size, last - after))
        if not entries:
            return
        after = entries[-1].position
        yield entries


def _pages_of_subject(
    log: EventLog, subject: str, after: int, last: int
) -> Iterator[list[RecordedEvent]]:
    [positions] = log.positions_of([subject])
    wanted = positions[bisect_right(positions, after) : bisect_right(positions, last)]
    for start in range(0, len(wanted), PAGE):
        found = log.get_many(wanted[start : start + PAGE])
        yield list(found.values())
