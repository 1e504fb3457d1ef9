"""The identity of a checkpoint: the log, the position, and the event at that position.

A position alone is not enough. A log that lost its tail and grew again, or was restored
from a backup, has other events at known positions; whatever was derived from the lost ones
must be derived again. Every checkpoint therefore stores a LogPosition and verifies it when
its owner starts and from time to time.

A reader outside holds the text of one, a cursor (incidentwire/log/cursor.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from incidentwire.log import cursor
from incidentwire.log.cursor import event_digest
from incidentwire.log.event_log import EventLog
from incidentwire.log.recorded_event import RecordedEvent


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
    def parse(cls, text: str, log_id: str) -> LogPosition | None:
        """Return the position that a cursor names in this log, None for other text."""
        found = cursor.parse(text)
        if found is None:
            return None
        position, event = found
        return cls(log_id=log_id, position=position, event=event)

    @property
    def cursor(self) -> str:
        """Return the text by which a reader resumes here."""
        return cursor.cursor_at(self.position, self.event)

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
