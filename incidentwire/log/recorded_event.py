"""One entry of the log, as those read it who only fold: pure, unlike the log itself (log.py)."""

from __future__ import annotations

from dataclasses import dataclass

from incidentwire.events import Event
from incidentwire.log import codec


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedEvent:
    """One entry of the log. `data` is the stored JSON text; `time_ms` is since the epoch, and never runs back."""

    position: int
    type: str
    subject: str
    time_ms: int
    data: str
    traceparent: str = ""

    @property
    def event(self) -> Event:
        """The fact. Raises event_codec.UnknownType for one that a newer release wrote."""
        return codec.decode(self.type, self.data)
