"""The identity of a checkpoint: the log, the position, and the event at that position.

A position alone is not enough. A log that lost its tail and grew again, or was restored
from a backup, has other events at known positions; whatever was derived from the lost ones
must be derived again. Every checkpoint therefore stores a LogPosition and verifies it when
its owner starts and from time to time.

A reader outside holds a cursor, the text of one: `17-9f86d081884c7d65`, the position and
the beginning of the event's digest. A position alone is a cursor too, which nothing verifies.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quoted

from incidentwire.log.event_log import EventLog
from incidentwire.log.recorded_event import RecordedEvent

CURSOR_DIGITS = 16  # of the digest, in hex: 64 bits, for events that nobody chooses
CURSOR_PATTERN = rf"^0*[0-9]{{1,15}}(-[0-9a-f]{{{CURSOR_DIGITS}}})?\Z"
_CURSOR = re.compile(CURSOR_PATTERN)


@dataclass(frozen=True, kw_only=True)
class LogPosition:
    """A position in one log.

    `event` is the digest of the event there, or the beginning of it; "" at position 0 and
    if it is unknown.
    """

    log_id: str
    position: int = 0
    event: str = ""

    @classmethod
    def of(cls, log_id: str, entry: RecordedEvent) -> LogPosition:
        """Return the position of an event that was read."""
        return cls(log_id=log_id, position=entry.position, event=event_digest(entry))

    @classmethod
    def at(cls, log: EventLog, position: int) -> LogPosition:
        """Return a position of this log, with its event if the log has one there."""
        entry = log.get(position)
        if entry is None:
            return cls(log_id=log.id, position=position)
        return cls.of(log.id, entry)

    @classmethod
    def parse(cls, cursor: str, log_id: str) -> LogPosition | None:
        """Return the position that a cursor names in this log, None for other text."""
        if not _CURSOR.match(cursor):
            return None
        digits, _, event = cursor.partition("-")
        return cls(log_id=log_id, position=int(digits.lstrip("0") or "0"), event=event)

    @property
    def cursor(self) -> str:
        """Return the text by which a reader resumes here."""
        return _cursor(self.position, self.event)

    def mismatch(self, log: EventLog) -> str:
        """Return why the log does not continue from here, "" if it does."""
        current = EventLog(log.connection).id
        if self.log_id != current:
            return f"the log is {current}, not {self.log_id}"
        if self.position == 0:
            return ""
        entry = log.get(self.position)
        if entry is None:
            return f"the log ends at {log.last()}, before position {self.position}"
        if not event_digest(entry).startswith(self.event):
            return f"the log has another event at position {self.position}"
        return ""

    def continues(self, log: EventLog) -> bool:
        """Return whether the log continues from here, or has deleted its history here."""
        if not self.mismatch(log):
            return True
        return self.log_id == log.id and self.position < log.first()


def event_digest(entry: RecordedEvent) -> str:
    """Return the SHA-256, in hex, of type, subject, time and data of an event."""
    # a JSON array, in two thirds of the time that json.dumps takes: every reader asks
    strings = f"{quoted(entry.type)}, {quoted(entry.subject)}"
    fields = f"[{strings}, {entry.time_ms}, {quoted(entry.data)}]"
    return hashlib.sha256(fields.encode()).hexdigest()


def cursor_of(entry: RecordedEvent) -> str:
    """Return the cursor of an event that was read."""
    return _cursor(entry.position, event_digest(entry))


def _cursor(position: int, event: str) -> str:
    return f"{position}-{event[:CURSOR_DIGITS]}" if event else str(position)
