"""What the api knows of incidents after a prefix of the log: the shared state, and when something happened to each.
Pure.

The projector, the commands of people and time travel fold with this one class, so that they agree with each other and
with the linker. incident_rows.py brings what was touched into the database.
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
# what an incident shows of its items depends on their labels and their stored text
SHOWN = LABELLING | e.types_where(lambda cls: bool(cls.affects_archive))


@dataclass(frozen=True, kw_only=True, slots=True)
class RevisionStamp:
    """When an id came up and changed last. `n` is the position of the event that made it, `events` counts those it is
    the subject of, `elsewhere` holds the positions of merges and splits of others that name it."""

    n: int
    opened_ms: int
    position: int
    updated_ms: int
    events: int = 0
    elsewhere: tuple[int, ...] = ()


class IncidentProjection:
    """The incidents at `position`. `touched` (incident ids) and `moved` (mention keys) gather until somebody clears
    them; equal prefixes of the log give equal states, stamps included, however the log was cut into batches."""

    def __init__(self) -> None:
        self.state, self.position = IncidentsState(), 0
        self.decided = 0  # events of incidents by people so far
        self.stamps: dict[str, RevisionStamp] = {}
        self.linked = array(
            "Q"
        )  # positions of the events that linked something, by arrival less one
        self.touched: set[str] = set()
        self.moved: set[str] = set()

    def copy(self) -> IncidentProjection:
        """The same state, to fold on without changing this one. All values are immutable, so that keys are copied."""
        made = IncidentProjection()
        for name, value in vars(self.state).items():
            setattr(
                made.state, name, value.copy() if isinstance(value, dict) else value
            )
        made.stamps, made.linked = self.stamps.copy(), self.linked[:]
        made.position, made.decided = self.position, self.decided
        return made

    def fold(self, entries: Iterable[RecordedEvent]) -> None:
        for entry in entries:
            self.take(entry)

    def take(self, entry: RecordedEvent) -> None:
        """One more event, of any type. Raises UnknownType, and KeyError where the log names an incident that never
        opened: it is damaged then."""
        name = entry.name
        if name in LABELLING:
            self.state.apply(entry.subject, entry.event)
        if name in SHOWN:
            keys = self.state.placed.get(entry.subject, ())
            self.moved.update(keys)
            self._touch({self.state.links[key].incident for key in keys}, entry)
        elif name.startswith("incident."):
            self._happened(entry)
        self.position = entry.position

    def clear(self) -> None:
        self.touched.clear()
        self.moved.clear()

    def _happened(self, entry: RecordedEvent) -> None:
        event, subject = entry.event, entry.subject
        into = getattr(event, "into", None)
        ids = {subject, into} if into else {subject}
        keys = self._keys(subject, event)
        ids |= self._owners(keys)
        before = {self.state.resolve(i) for i in ids if i in self.state.known}
        self.state.apply(subject, event)
        if isinstance(event, e.IncidentItemLinked):
            self.linked.append(entry.position)
        self.decided += isinstance(event, e.IncidentEvent) and event.by_person
        keys |= self._keys(subject, event)
        self.moved |= keys
        self._touch(before | ids | self._owners(keys), entry)
        self.stamps[subject] = replace(
            self.stamps[subject], events=self.stamps[subject].events + 1
        )
        if into:
            stamp = self.stamps[into]
            self.stamps[into] = replace(
                stamp, elsewhere=(*stamp.elsewhere, entry.position)
            )

    def _keys(self, subject: str, event: e.Event) -> set[str]:
        """The mentions that the event may bring to another live incident."""
        match event:
            case e.IncidentItemLinked() | e.IncidentItemUnlinked():
                return {str(MentionId(event.item, event.mention))}
            case e.IncidentMerged() | e.IncidentUnmerged():
                return set(self.state.members(subject))
            case e.IncidentSplit():
                return set(event.mentions)
            case _:
                return set()

    def _owners(self, keys: Iterable[str]) -> set[str]:
        return {
            self.state.links[key].incident for key in keys if key in self.state.links
        }

    def _touch(self, ids: set[str], entry: RecordedEvent) -> None:
        for name in ids | {self.state.resolve(i) for i in ids}:
            stamp = self.stamps.get(name)
            if stamp is None:
                stamp = RevisionStamp(
                    n=entry.position, opened_ms=entry.time_ms, position=0, updated_ms=0
                )
            self.stamps[name] = replace(
                stamp, position=entry.position, updated_ms=entry.time_ms
            )
            self.touched.add(name)
