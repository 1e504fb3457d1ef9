"""One entry of the log, for readers that only fold: pure, unlike event_log.py."""

from __future__ import annotations

from dataclasses import dataclass

from incidentwire.events import Event, base_type
from incidentwire.log import codec


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedEvent:
    """One entry of the log.

    `type` is the stored type, `data` the stored JSON text. `time_ms` is since the epoch
    and never decreases along the log.
    """

    position: int
    type: str
    subject: str
    time_ms: int
    data: str
    traceparent: str = ""

    @property
    def name(self) -> str:
        """Return the type without its version."""
        return base_type(self.type)

    @property
    def event(self) -> Event:
        """Return the decoded event. Raises codec.UnknownType and codec.DamagedEvent."""
        try:
            return codec.decode(self.type, self.data)
        except codec.DamagedEvent as error:
            raise codec.DamagedEvent(
                f"The event at position {self.position} cannot be read: {error}."
                " Restore the store from a backup."
            ) from None
