"""GET /v1/events/stream: Server-Sent Events. Catches up from the log, then takes a seat at the hub."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from flask import Response, current_app, request

from incidentwire.log.event_log import EventLog
from incidentwire.web.auth import require
from incidentwire.web.problems import FieldError, Problem
from services.api.events import sse
from services.api.events.broadcaster import Broadcaster
from services.api.events.filters import EventFilter
from services.api.events.subscriber import Subscriber
from services.api.events.views import EventFilterSchema, event_filter_of
from services.api.http import MAX_POSITION, Blueprint, position, text

HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}  # the second tells nginx not to hold it back
CATCH_UP = 100  # entries per page: what a slow subscriber holds while it catches up, about 70 kB
MEDIA_TYPE = "text/event-stream"
LAST_EVENT_ID = {
    "in": "header",
    "name": "Last-Event-ID",
    "schema": {"type": "integer", "minimum": 0, "maximum": MAX_POSITION},
    "description": "the last position received: the stream goes on behind it. Stands over `after`.",
}


blueprint = Blueprint(
    "stream", __name__, url_prefix="/v1", description="The log as it grows"
)


class StreamQuerySchema(EventFilterSchema):
    after = position(
        "go on behind this position; without it and Last-Event-ID, from now on"
    )
    log_id = text(
        "the log that the position is of; where it is another one, the stream begins with a gap",
        most=64,
    )


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a subscriber asked for. `after` is None for 'from now on'."""

    wanted: EventFilter
    after: int | None
    log_id: str | None


@blueprint.route("/events/stream", methods=["GET"], parameters=[LAST_EVENT_ID])
@require("read")
@blueprint.arguments(StreamQuerySchema, location="query")
@blueprint.alt_response(
    200,
    schema={"type": "string"},
    content_type=MEDIA_TYPE,
    description="Events, checkpoints and gaps, for ever",
)
def stream(query: dict[str, Any]) -> Response:
    """Subscribe to the log.

    `id` is the position, `event` the type, `data` the CloudEvents envelope. After a silence comes an `event:
    checkpoint` whose id is the last position looked at, so that a filtered stream resumes without reading again. An
    `event: gap` says that history is gone or of another log, and what to load instead.
    """
    asked = Asked(
        wanted=event_filter_of(query),
        after=_last_event_id(query.get("after")),
        log_id=query.get("log_id"),
    )
    if request.method == "HEAD":
        return Response(b"", 200, HEADERS, mimetype=MEDIA_TYPE)
    hub = cast("Broadcaster", current_app.extensions["incidentwire.hub"])
    hub.start()
    hub.reserve()
    # what only the request knows is taken out here: its context is gone inside the generator
    answer = Response(
        _frames(hub, asked, _raw_socket(request.environ)),
        200,
        HEADERS,
        mimetype=MEDIA_TYPE,
    )
    answer.call_on_close(hub.release)
    return answer


def _last_event_id(after: int | None) -> int | None:
    header = request.headers.get("Last-Event-ID", "").strip()
    if not header:
        return after
    if not (header.isascii() and header.isdigit()) or int(header[:20]) > MAX_POSITION:
        error = FieldError(
            field="Last-Event-ID",
            message="must be a position: the id of the last event received",
        )
        raise Problem(status=422, slug="invalid-fields", detail="the request has a header that is no position",
                      errors=[error])  # fmt: skip
    return int(header)


def _raw_socket(environ: dict[str, Any]) -> Any:
    """The connection's socket where the hub may write chunks to it: plain HTTP/1.1 under gunicorn's gevent worker."""
    sock = environ.get("gunicorn.socket")
    is_plain = (
        environ.get("wsgi.url_scheme") == "http"
        and environ.get("SERVER_PROTOCOL") == "HTTP/1.1"
    )
    return (
        sock
        if is_plain and hasattr(sock, "_sock") and "HTTP_VERSION" not in environ
        else None
    )


def _frames(hub: Broadcaster, asked: Asked, sock: Any) -> Iterator[bytes]:
    """The response's body. The hub writes past it once the seat is taken; until then, and for what the socket did not
    take, it comes from here."""
    log, log_id = EventLog(hub.connection), hub.log_id
    position = hub.position if asked.after is None else asked.after
    yield sse.opening(log_id, position)
    if (asked.log_id or log_id) != log_id or (
        position > hub.position and position > log.last()
    ):
        position = hub.position
        yield sse.gap(position, first=log.first(), last=position, log_id=log_id)
    seat = Subscriber(asked.wanted, sock)
    try:
        while not hub.join(seat, position, log_id):
            page = log.after(position, CATCH_UP)
            if page and page[0].position > position + 1:
                first = page[0].position
                yield sse.gap(first - 1, first=first, last=hub.position, log_id=log_id)
            matching = [
                sse.event(entry, log_id)
                for entry in page
                if asked.wanted.matches(entry)
            ]
            seat.sent += len(matching)
            position = page[-1].position if page else hub.position
            yield b"".join(matching) or sse.checkpoint(position, seat.sent, log_id)
        yield from seat.park()
    finally:
        seat.close()
