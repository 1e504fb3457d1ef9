"""The CloudEvents 1.0 envelope in which every subscriber receives an event."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from incidentwire import events
from incidentwire.log import codec
from incidentwire.log.recorded_event import RecordedEvent


def source(log_id: str) -> str:
    """Return the CloudEvents `source`; with `id` it is unique across all logs."""
    return f"urn:incidentwire:{log_id}"


def envelope_json(entry: RecordedEvent, log_id: str) -> str:
    """Return the envelope as one line of JSON.

    The stored data is inserted as it is, unless its version is an old one. Raises
    codec.UnknownType for an event of a newer release.
    """
    name, _, version = entry.type.partition(":")
    known = events.TYPES.get(name)
    current = known is not None and int(version or 1) == known.version
    data = entry.data if current else codec.encode(entry.event)
    trace = (
        f'"traceparent":{json.dumps(entry.traceparent)},' if entry.traceparent else ""
    )
    return (
        f'{{"specversion":"1.0","id":"{entry.position}","source":"{source(log_id)}","type":"{name}",'
        f'"subject":{json.dumps(entry.subject)},"time":"{rfc3339(entry.time_ms)}","sequence":{entry.position},'
        f'{trace}"datacontenttype":"application/json","data":{data}}}'
    )


def envelope(entry: RecordedEvent, log_id: str) -> dict[str, Any]:
    """Return the envelope as a dict."""
    parsed: dict[str, Any] = json.loads(envelope_json(entry, log_id))
    return parsed


def rfc3339(time_ms: int) -> str:
    """Return milliseconds since the epoch as an RFC 3339 time in UTC."""
    moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"
