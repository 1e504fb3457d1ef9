"""What is written to an event stream, as bytes. Pure.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from incidentwire.log.cloudevents import envelope_json
from incidentwire.log.cursor import cursor_of
from incidentwire.log.recorded_event import RecordedEvent
from services.api.events.filters import facts_of
from services.api.filters.matching import Facts

RETRY_MS = 2000  # browsers wait this long before they connect again
STATE = "/v1/items"  # what to load if history is gone: the current items


@dataclass(frozen=True, kw_only=True, slots=True)
class Framed:
    """An entry with its frame and facts, made once per process for all subscribers."""

    entry: RecordedEvent
    frame: bytes
    facts: Facts


def opening(cursor: str, log_id: str) -> bytes:
    """Return the first bytes: the client learns at once that it is connected."""
    return f": log {log_id} after {cursor}\nretry: {RETRY_MS}\n\n".encode()


def framed(entry: RecordedEvent, log_id: str) -> Framed:
    """Frame an entry. Raises UnknownType for an event of a newer release."""
    return Framed(entry=entry, frame=event(entry, log_id), facts=facts_of(entry))


def event(entry: RecordedEvent, log_id: str) -> bytes:
    """Return the frame of an event."""
    name = entry.type.partition(":")[0]
    data = envelope_json(entry, log_id)
    return f"id: {cursor_of(entry)}\nevent: {name}\ndata: {data}\n\n".encode()


def checkpoint(cursor: str, matched: int, log_id: str) -> bytes:
    """Return the frame that says how far the log was examined.

    `matched` events were sent on this connection.
    """
    data = f'{{"position":{_position(cursor)},"matched":{matched},"log_id":"{log_id}"}}'
    return f"id: {cursor}\nevent: checkpoint\ndata: {data}\n\n".encode()


def gap(resume: str, *, first: int, last: int, log_id: str) -> bytes:
    """Return the frame that says that history is gone, or not what the client knows.

    The stream continues after the cursor `resume`; `first` and `last` are the positions of this
    log, `load` is the address of the state that the missing events made.
    """
    data = {
        "first": first,
        "last": last,
        "log_id": log_id,
        "load": f"{STATE}?min_position={_position(resume)}",
    }
    return f"id: {resume}\nevent: gap\ndata: {json.dumps(data)}\n\n".encode()


def _position(cursor: str) -> str:
    return cursor.partition("-")[0]


def chunk(data: bytes) -> bytes:
    """Return a chunk of HTTP/1.1 chunked transfer coding (RFC 9112, section 7.1)."""
    return b"%X\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
