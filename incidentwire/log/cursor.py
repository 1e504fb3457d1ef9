"""Cursors: how a reader names the event after which to resume. Pure.

A cursor is `17-9f86d081884c7d65`: the position and the beginning of the event's digest.
A position alone is a cursor too, which nothing verifies.
"""

from __future__ import annotations

import hashlib
import re
from json.encoder import encode_basestring_ascii as quoted

from incidentwire.log.recorded_event import RecordedEvent

DIGITS = 16  # of the digest, in hex: 64 bits, for events that nobody chooses
PATTERN = rf"^0*[0-9]{{1,15}}(-[0-9a-f]{{{DIGITS}}})?\Z"
_CURSOR = re.compile(PATTERN)


def event_digest(entry: RecordedEvent) -> str:
    """Return the SHA-256, in hex, of type, subject, time and data of an event."""
    # a JSON array, in two thirds of the time that json.dumps takes: every reader asks
    strings = f"{quoted(entry.type)}, {quoted(entry.subject)}"
    fields = f"[{strings}, {entry.time_ms}, {quoted(entry.data)}]"
    return hashlib.sha256(fields.encode()).hexdigest()


def cursor_of(entry: RecordedEvent) -> str:
    """Return the cursor of an event that was read."""
    return cursor_at(entry.position, event_digest(entry))


def cursor_at(position: int, event: str) -> str:
    """Return the cursor of a position and the digest there, "" if it is unknown."""
    return f"{position}-{event[:DIGITS]}" if event else str(position)


def parse(cursor: str) -> tuple[int, str] | None:
    """Return position and beginning of the digest, None for any other text."""
    if not _CURSOR.match(cursor):
        return None
    digits, _, event = cursor.partition("-")
    return int(digits.lstrip("0") or "0"), event
