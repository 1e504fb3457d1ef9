"""GET /v1/events/stream: Server-Sent Events. Catches up from the log, then joins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from flask import Response, current_app, g, request

from incidentwire.log.event_log import EventLog
from incidentwire.log.log_position import LogPosition
from incidentwire.web.auth import require
from services.api.events import sse
from services.api.events.broadcaster import Broadcaster
from services.api.events.filters import EventFilter
from services.api.events.schemas import StreamQuerySchema, event_filter_of
from services.api.events.subscriber import Subscriber
from services.api.http import Blueprint

HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # tells nginx not to buffer the stream
}
CATCH_UP = 100  # entries per page: what a slow subscriber holds, about 70 kB
MEDIA_TYPE = "text/event-stream"
LAST_EVENT_ID = {
    "in": "header",
    "name": "Last-Event-ID",
    "schema": {"type": "string"},
    "description": "the id last received: the stream resumes after it. Overrides "
    "`cursor` and `after`. An id that names no event of this log is answered by a gap.",
}

blueprint = Blueprint(
    "stream", __name__, url_prefix="/v1", description="The log as it grows"
)


@dataclass(frozen=True, kw_only=True)
class StreamRequest:
    """What a client asked for.

    `cursor` is None for "from now on"; otherwise a cursor, a position, or any text.
    `log_id` is the log that it is of, None for this one.
    """

    wanted: EventFilter
    cursor: str | None
    log_id: str | None


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

    `id` is the cursor (the position and the beginning of the event's digest), `event`
    the type, `data` the CloudEvents envelope. After a silence an `event: checkpoint`
    follows, whose id is that of the last event examined, so that a filtered stream
    resumes without reading again. An `event: gap` says that history is gone, of another
    log, or not what the client received, and what to load instead.
    """
    asked = _stream_request(query)
    if request.method == "HEAD":
        return Response(b"", 200, HEADERS, mimetype=MEDIA_TYPE)
    broadcaster = cast(
        "Broadcaster", current_app.extensions["incidentwire.broadcaster"]
    )
    key: str = g.key_digest
    broadcaster.start()
    broadcaster.check_log()  # what it remembers may be lost
    broadcaster.reserve(key)
    # The request's context is gone inside the generator, so pass what it needs.
    subscriber = Subscriber(asked.wanted, _raw_socket(request.environ), key)
    frames = _frames(broadcaster, asked, subscriber)
    answer = Response(frames, 200, HEADERS, mimetype=MEDIA_TYPE)
    answer.call_on_close(lambda: broadcaster.release(key))
    return answer


def _stream_request(query: dict[str, Any]) -> StreamRequest:
    header = request.headers.get("Last-Event-ID", "").strip()
    after = query.get("after")
    cursor = header or query.get("cursor")
    if not cursor and after is not None:
        cursor = str(after)
    return StreamRequest(
        wanted=event_filter_of(query), cursor=cursor, log_id=query.get("log_id")
    )


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
    now = broadcaster.reached
    restarts = broadcaster.restarts
    broadcaster.admit(subscriber)
    try:
        start = _start(log, asked, now)
        yield sse.opening((start or now).cursor, now.log_id)
        if start is None:
            start = now
            yield _gap(now, log.first(), now.position)
        while not broadcaster.join(subscriber, start, restarts):
            page = log.after(start.position, CATCH_UP)
            if not start.continues(log):
                return  # replaced meanwhile: the client comes back, and gets its gap
            if page and page[0].position > start.position + 1:
                first = page[0].position
                start = LogPosition(log_id=now.log_id, position=first - 1)
                yield _gap(start, first, broadcaster.position)
            wanted = [entry for entry in page if asked.wanted.matches(entry)]
            subscriber.sent += len(wanted)
            start = (
                LogPosition.of(now.log_id, page[-1]) if page else broadcaster.reached
            )
            frames = b"".join(sse.event(entry, now.log_id) for entry in wanted)
            yield frames or sse.checkpoint(start.cursor, subscriber.sent, now.log_id)
        yield from subscriber.serve()
    finally:
        subscriber.close()
        broadcaster.dismiss(subscriber)


def _gap(start: LogPosition, first: int, last: int) -> bytes:
    return sse.gap(start.cursor, first=first, last=last, log_id=start.log_id)


def _start(log: EventLog, asked: StreamRequest, now: LogPosition) -> LogPosition | None:
    """Return after which position the stream begins.

    None if the client's is of another log, ahead of this one, or of another event.
    """
    if asked.cursor is None:
        return now
    start = LogPosition.parse(asked.cursor, asked.log_id or now.log_id)
    return start if start and start.continues(log) else None
