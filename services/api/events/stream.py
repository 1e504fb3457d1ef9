"""GET /v1/events/stream: Server-Sent Events. Catches up from the log, then joins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from flask import Response, current_app, g, request

from incidentwire.log.event_log import EventLog
from incidentwire.web.auth import require
from services.api.events import sse
from services.api.events.broadcaster import Broadcaster
from services.api.events.filters import EventFilter
from services.api.events.schemas import StreamQuerySchema, event_filter_of
from services.api.events.subscriber import Subscriber
from services.api.http import MAX_POSITION, Blueprint

HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # tells nginx not to buffer the stream
}
CATCH_UP = 100  # entries per page: what a slow subscriber holds, about 70 kB
MEDIA_TYPE = "text/event-stream"
POSITION_DIGITS = len(str(MAX_POSITION))
LAST_EVENT_ID = {
    "in": "header",
    "name": "Last-Event-ID",
    "schema": {"type": "string"},
    "description": "the last position received: the stream resumes after it. Overrides "
    "`after`. An id that is no position of this log is answered by a gap.",
}

blueprint = Blueprint(
    "stream", __name__, url_prefix="/v1", description="The log as it grows"
)


@dataclass(frozen=True, kw_only=True)
class StreamRequest:
    """What a client asked for.

    `after` is None for "from now on". With `is_foreign`, the client's position means
    nothing to this log.
    """

    wanted: EventFilter
    after: int | None
    log_id: str | None
    is_foreign: bool


@blueprint.route("/events/stream", methods=["GET"], parameters=[LAST_EVENT_ID])
@require("read")
@blueprint.arguments(StreamQuerySchema, location="query")
@blueprint.alt_response(429, description="This key has too many open streams")
@blueprint.alt_response(
    200,
    schema={"type": "string"},
    content_type=MEDIA_TYPE,
    description="Events, checkpoints and gaps, without end",
)
def stream(query: dict[str, Any]) -> Response:
    """Subscribe to the log.

    `id` is the position, `event` the type, `data` the CloudEvents envelope. After a
    silence an `event: checkpoint` follows, whose id is the last position examined, so
    that a filtered stream resumes without reading again. An `event: gap` says that
    history is gone or of another log, and what to load instead.
    """
    asked = _stream_request(query)
    if request.method == "HEAD":
        return Response(b"", 200, HEADERS, mimetype=MEDIA_TYPE)
    broadcaster = cast("Broadcaster", current_app.extensions["incidentwire.hub"])
    key: str = g.key_digest
    broadcaster.start()
    broadcaster.reserve(key)
    # The request's context is gone inside the generator, so pass what it needs.
    subscriber = Subscriber(asked.wanted, _raw_socket(request.environ), key)
    frames = _frames(broadcaster, asked, subscriber)
    answer = Response(frames, 200, HEADERS, mimetype=MEDIA_TYPE)
    answer.call_on_close(lambda: broadcaster.release(key))
    return answer


def _stream_request(query: dict[str, Any]) -> StreamRequest:
    header = request.headers.get("Last-Event-ID", "").strip()
    after = _position(header) if header else query.get("after")
    return StreamRequest(
        wanted=event_filter_of(query),
        after=after,
        log_id=query.get("log_id"),
        is_foreign=bool(header) and after is None,
    )


def _position(text: str) -> int | None:
    """Return the position, or None for any other text, however long."""
    digits = text.lstrip("0") or "0"
    if not (text.isascii() and text.isdigit()) or len(digits) > POSITION_DIGITS:
        return None
    position = int(digits)
    return position if position <= MAX_POSITION else None


def _raw_socket(environ: dict[str, Any]) -> Any:
    """Return the socket if chunks may be written to it directly, else None.

    That needs plain HTTP/1.1 under gunicorn's gevent worker.
    """
    sock = environ.get("gunicorn.socket")
    is_plain = (
        environ.get("wsgi.url_scheme") == "http"
        and environ.get("SERVER_PROTOCOL") == "HTTP/1.1"
        and "HTTP_VERSION" not in environ
    )
    return sock if is_plain and hasattr(sock, "_sock") else None


def _frames(
    broadcaster: Broadcaster, asked: StreamRequest, subscriber: Subscriber
) -> Iterator[bytes]:
    """Yield the response's body.

    The broadcaster writes past it once the subscriber has joined; until then, and for
    what the socket did not accept, it comes from here.
    """
    log = EventLog(broadcaster.connection)
    log_id = broadcaster.log_id
    position = broadcaster.position if asked.after is None else asked.after
    broadcaster.admit(subscriber)
    try:
        yield sse.opening(log_id, position)
        if asked.is_foreign or _is_unknown(broadcaster, log, asked, position):
            position = broadcaster.position
            yield sse.gap(position, first=log.first(), last=position, log_id=log_id)
        while not broadcaster.join(subscriber, position, log_id):
            page = log.after(position, CATCH_UP)
            if page and page[0].position > position + 1:
                first = page[0].position
                last = broadcaster.position
                yield sse.gap(first - 1, first=first, last=last, log_id=log_id)
            wanted = [entry for entry in page if asked.wanted.matches(entry)]
            subscriber.sent += len(wanted)
            position = page[-1].position if page else broadcaster.position
            frames = b"".join(sse.event(entry, log_id) for entry in wanted)
            yield frames or sse.checkpoint(position, subscriber.sent, log_id)
        yield from subscriber.serve()
    finally:
        subscriber.close()
        broadcaster.dismiss(subscriber)


def _is_unknown(
    broadcaster: Broadcaster, log: EventLog, asked: StreamRequest, position: int
) -> bool:
    """Return whether the position is of another log, or ahead of this one."""
    if asked.log_id is not None and asked.log_id != broadcaster.log_id:
        return True
    return position > broadcaster.position and position > log.last()
