"""What is written to an event stream, as bytes. Pure.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from incidentwire.log.cloudevents import envelope_json
from incidentwire.log.recorded_event import RecordedEvent

RETRY_MS = 2000  # browsers wait this long before they connect again
STATE = "/v1/items"  # what to load where history is gone: the items as they stand now


@dataclass(frozen=True, kw_only=True, slots=True)
class Framed:
    """An entry with its frame: made once per process, however many subscribers get it."""

    entry: RecordedEvent
    frame: bytes


def opening(log_id: str, position: int) -> bytes:
    """The first bytes, so that the subscriber knows at once that it is connected, and from where."""
    return f": log {log_id} after {position}\nretry: {RETRY_MS}\n\n".encode()


def framed(entry: RecordedEvent, log_id: str) -> Framed:
    """Raises event_codec.UnknownType for an entry that a newer release wrote."""
    return Framed(entry=entry, frame=event(entry, log_id))


def event(entry: RecordedEvent, log_id: str) -> bytes:
    name = entry.type.partition(":")[0]
    return f"id: {entry.position}\nevent: {name}\ndata: {envelope_json(entry, log_id)}\n\n".encode()


def checkpoint(position: int, matched: int, log_id: str) -> bytes:
    """Everything up to `position` was looked at; `matched` events of it were sent on this connection."""
    data = f'{{"position":{position},"matched":{matched},"log_id":"{log_id}"}}'
    return f"id: {position}\nevent: checkpoint\ndata: {data}\n\n".encode()


def gap(resume: int, *, first: int, last: int, log_id: str) -> bytes:
    """History that was asked for is gone or of another log. The stream goes on behind `resume`; `first` and `last`
    are the positions that this log holds, `load` says where to get the state that the missing events made."""
    data = {
        "first": first,
        "last": last,
        "log_id": log_id,
        "load": f"{STATE}?min_position={resume}",
    }
    return f"id: {resume}\nevent: gap\ndata: {json.dumps(data)}\n\n".encode()


def chunk(data: bytes) -> bytes:
    """One chunk of HTTP/1.1 chunked transfer coding (RFC 9112, section 7.1)."""
    return b"%X\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
