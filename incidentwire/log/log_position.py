"""The identity of a checkpoint: the log, the position, and the event at that position.

A position alone is not enough. A log that lost its tail and grew again, or was restored
from a backup, has other events at known positions; whatever was derived from the lost ones
must be derived again. Every checkpoint therefore stores a LogPosition and verifies it when
its owner starts and from time to time.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from incidentwire.log.event_log import EventLog
from incidentwire.log.recorded_event import RecordedEvent


@dataclass(frozen=True, kw_only=True)
class LogPosition:
    """A position in one log. `event` is the digest of the event there, "" at position 0."""

    log_id: str
    position: int = 0
    event: str = ""

    @classmethod
    def of(cls, log_id: str, entry: RecordedEvent) -> LogPosition:
        """Return the position of an event that was read."""
        return cls(log_id=log_id, position=entry.position, event=event_digest(entry))

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
        if event_digest(entry) != self.event:
            return f"the log has another event at position {self.position}"
        return ""


def event_digest(entry: RecordedEvent) -> str:
    """Return the SHA-256, in hex, of type, subject, time and data of an event."""
    fields = [entry.type, entry.subject, entry.time_ms, entry.data]
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()
