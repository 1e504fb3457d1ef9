"""The incidents after a prefix of the log as the API needs them: shared state and stamps.

Projector, curator commands and time travel fold with this one class, so that they agree
with each other and with the linker. incident_rows.py writes what is dirty. Pure.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, replace

from incidentwire import events as e
from incidentwire.incidents.state import IncidentsState
from incidentwire.labels import MentionId
from incidentwire.log.recorded_event import RecordedEvent

LABELLING = e.types_where(lambda cls: cls.affects_labels)
# an incident shows labels and stored text of its items
SHOWN = LABELLING | e.types_where(lambda cls: bool(cls.affects_archive))
ABOUT_INCIDENTS = e.types_where(lambda cls: issubclass(cls, e.IncidentEvent))


@dataclass(frozen=True, kw_only=True, slots=True)
class RevisionStamp:
    """When an incident was opened and last changed.

    `n` is the position of the event that opened it, `events` the number of events with it
    as subject, `related_positions` those of merges and splits of other incidents that name
    it.
    """

    n: int
    opened_ms: int
    position: int
    updated_ms: int
    events: int = 0
    related_positions: tuple[int, ...] = ()


class IncidentProjection:
    """The incidents at `position`; equal prefixes of the log give equal states.

    `linked` holds the positions of the events that linked a mention, by link sequence less
    one. `dirty_incidents` (ids) and `dirty_mentions` (keys) collect until `clear`.
    """

    def __init__(self) -> None:
        self.state = IncidentsState()
        self.position = 0
        self.stamps: dict[str, RevisionStamp] = {}
        self.linked = array("Q")
        self.dirty_incidents: set[str] = set()
        self.dirty_mentions: set[str] = set()

    def copy(self) -> IncidentProjection:
        """Return the same state to fold on; keys are copied, values are immutable."""
        copied = IncidentProjection()
        copied.state = self.state.copy()
        copied.position = self.position
        copied.stamps = self.stamps.copy()
        copied.linked = self.linked[:]
        return copied

    def version_of(self, incident: str) -> int:
        """Return the number of events of an incident, 0 if it is unknown."""
        stamp = self.stamps.get(incident)
        return stamp.events if stamp else 0

    def fold(self, entries: Iterable[RecordedEvent]) -> None:
        """Apply events in order."""
        for entry in entries:
            self.apply(entry)

    def apply(self, entry: RecordedEvent) -> None:
        """Apply one event of any type.

        Raises UnknownType, and KeyError if the log names an incident that never opened.
        """
        if entry.name in LABELLING:
            self.state.apply(entry.subject, entry.event)
        if entry.name in SHOWN:
            keys = self.state.mentions_of_item.get(entry.subject, ())
            self.dirty_mentions.update(keys)
            self._stamp(self.state.owners(keys), entry)
        elif entry.name in ABOUT_INCIDENTS:
            self._apply_incident_event(entry)
        self.position = entry.position

    def clear(self) -> None:
        """Forget what is dirty."""
        self.dirty_incidents.clear()
        self.dirty_mentions.clear()

    def _apply_incident_event(self, entry: RecordedEvent) -> None:
        event = entry.event
        into = getattr(event, "into", None)
        named = {entry.subject, into} if into else {entry.subject}
        keys = self._moving(entry.subject, event)
        named |= self.state.owners(keys)
        known = named & self.state.by_id.keys()
        before = {self.state.resolve(incident) for incident in known}
        self.state.apply(entry.subject, event)
        if isinstance(event, e.IncidentItemLinked):
            self.linked.append(entry.position)
        keys |= self._moving(entry.subject, event)
        self.dirty_mentions |= keys
        self._stamp(before | named | self.state.owners(keys), entry)
        stamp = self.stamps[entry.subject]
        self.stamps[entry.subject] = replace(stamp, events=stamp.events + 1)
        if into:
            self._relate(into, entry.position)

    def _moving(self, subject: str, event: e.Event) -> set[str]:
        """Return the mentions that the event may move to another active incident."""
        match event:
            case e.IncidentItemLinked() | e.IncidentItemUnlinked():
                return {str(MentionId(event.item, event.mention))}
            case e.IncidentMerged() | e.IncidentUnmerged():
                return set(self.state.members(subject))
            case e.IncidentSplit():
                return set(event.mentions)
            case _:
                return set()

    def _stamp(self, named: set[str], entry: RecordedEvent) -> None:
        for name in named | {self.state.resolve(incident) for incident in named}:
            stamp = self.stamps.get(name) or RevisionStamp(
                n=entry.position, opened_ms=entry.time_ms, position=0, updated_ms=0
            )
            self.stamps[name] = replace(
                stamp, position=entry.position, updated_ms=entry.time_ms
            )
            self.dirty_incidents.add(name)

    def _relate(self, incident: str, position: int) -> None:
        stamp = self.stamps[incident]
        positions = (*stamp.related_positions, position)
        self.stamps[incident] = replace(stamp, related_positions=positions)
