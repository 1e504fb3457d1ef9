"""Incidents, folded from the log: who belongs where, what redirects where, which labels count. Pure.

An incident owns the mentions that were linked to it. A merge only makes one id redirect to another, which then shows
the mentions of both; so undoing it is exact, whatever happened in between. The linker and the api fold with this one
class; incident_decisions.py decides what may happen next.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from incidentwire import events as e
from incidentwire.incidents.item_labels import (
    NO_LABELS,
    ItemLabels,
    apply_item_event,
    in_order,
    labelled,
)
from incidentwire.labels import Label, MentionId

STATUSES = ("open", "confirmed", "resolved", "dismissed")
ID_CHARS = 20  # of base32: 100 bits


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """Where a mention is. `person` is True once a person put it there: the linker lets it be from then on. `arrival`
    numbers the links of the log."""

    incident: str
    arrival: int = 0
    score: float = 1.0
    review: tuple[str, ...] = ()
    person: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Incident:
    """One id and what it owns. `people` is the version that commands of people expect: it rises whenever people do
    something to the incident or to what it shows. `members` are mention keys in order of arrival. `into` is set while
    the id redirects. `brought` holds, for an incident that was split off, the mentions it came with and where each was
    before. `closed_empty` says that nobody dismissed it: it was left without items."""

    id: str
    status: str = "open"
    title: str | None = None  # as a person named it
    people: int = 0
    members: tuple[str, ...] = ()
    into: str | None = None
    merged: tuple[str, ...] = ()
    split_from: str | None = None
    brought: tuple[tuple[str, Link], ...] = ()
    closed_empty: bool = False


def incident_id(item: str, mention: str, attempt: int = 0) -> str:
    """The id of the incident that this mention opens; `attempt` counts those it opened before and was moved out of."""
    named = str(MentionId(item, mention)) + (f"#{attempt}" if attempt else "")
    digest = (
        base64.b32encode(hashlib.sha256(named.encode()).digest())
        .decode("ascii")
        .lower()
    )
    return f"n_{digest[:ID_CHARS]}"


class IncidentsState:
    """The state after a prefix of the log. `apply` is the only way to change it; equal prefixes give equal states."""

    def __init__(self) -> None:
        self.known: dict[str, Incident] = {}
        self.arrivals = 0
        self.links: dict[str, Link] = {}  # by mention key
        self.placed: dict[
            str, tuple[str, ...]
        ] = {}  # by item: its mention keys that have a link
        self.items: dict[str, ItemLabels] = {}
        self.cannot_link: dict[
            str, frozenset[str]
        ] = {}  # by mention key: the incidents that people took it out of

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IncidentsState) and vars(self) == vars(other)

    # -- reading

    def resolve(self, incident: str) -> str:
        """The id that stands for this one now. KeyError for one that never was."""
        found = self.known[incident]
        while found.into is not None:
            found = self.known[found.into]
        return found.id

    def get(self, incident: str) -> Incident:
        return self.known[self.resolve(incident)]

    def live(self) -> Iterator[Incident]:
        """The incidents that stand for themselves, oldest first."""
        return (incident for incident in self.known.values() if incident.into is None)

    def members(self, incident: str) -> tuple[str, ...]:
        """The mention keys of an incident and of all that is merged into it."""
        found = self.known[incident]
        return sum((self.members(part) for part in found.merged), found.members)

    def where(self, key: str) -> str | None:
        """The live incident of a mention."""
        link = self.links.get(key)
        return self.resolve(link.incident) if link else None

    def cannot_link_for(self, key: str) -> frozenset[str]:
        """The live incidents that the linker must not put this mention into."""
        return frozenset(self.resolve(i) for i in self.cannot_link.get(key, ()))

    def labelled(self, item: str) -> dict[str, tuple[Label, ...]]:
        """The item's mention keys that have labels, and the labels that count."""
        return labelled(item, self.items.get(item, NO_LABELS))

    def labels(self, members: Iterable[str]) -> tuple[Label, ...]:
        """The labels that count for mentions taken together, in the order of LABELS."""
        return in_order(
            x
            for key in members
            for x in self.labelled(MentionId.parse(key).item).get(key, ())
        )

    # -- folding

    def apply(self, subject: str, event: e.Event) -> None:
        """Takes in one event of the log, of any type. KeyError where an incident event names one that never opened."""
        if event.affects_labels:
            self.items[subject] = apply_item_event(
                self.items.get(subject, NO_LABELS), event
            )
            return
        by_person = isinstance(event, e.IncidentEvent) and event.by_person
        concerned = self._concerned(subject, event) if by_person else set[str]()
        match event:
            case e.IncidentOpened():
                self.known.setdefault(subject, Incident(id=subject))
            case e.IncidentItemLinked():
                self._link(subject, str(MentionId(event.item, event.mention)), event)
            case e.IncidentItemUnlinked():
                key = str(MentionId(event.item, event.mention))
                self._leave(key)
                if event.who:
                    self._bar([key], subject)
            case e.IncidentMerged():
                self._redirect(subject, event.into)
                self._allow(self.members(event.into), event.into)
            case e.IncidentUnmerged():
                self._stand_alone(subject)
                self._bar(self.members(subject), event.into)
                self._bar(self.members(event.into), subject)
            case e.IncidentSplit():
                (self._unsplit if event.undone else self._split)(subject, event)
            case e.IncidentStatusChanged():
                self._change(
                    subject,
                    status=event.new,
                    closed_empty=event.who is None and event.new == "dismissed",
                )
            case e.IncidentRenamed():
                self._change(subject, title=event.new)
            case _:
                pass  # notes change nothing but the version; events of feeds and subscriptions nothing at all
        if by_person:
            self._count(concerned | self._concerned(subject, event))

    def _concerned(self, subject: str, event: e.Event) -> set[str]:
        """The incidents that the event names or that own what it moves, and those that show them now."""
        keys = set(event.mentions) if isinstance(event, e.IncidentSplit) else set[str]()
        owners = {self.links[key].incident for key in keys if key in self.links}
        named = {subject, getattr(event, "into", subject)} | owners
        return {
            name for i in named & self.known.keys() for name in (i, self.resolve(i))
        }

    def _count(self, concerned: Iterable[str]) -> None:
        """What a person did makes the versions of all incidents concerned go on, together: to one that is higher than
        any seen under one of these ids, also where the id now stands for another incident than when it was seen."""
        version = 1 + max(self.known[i].people for i in concerned)
        for incident in concerned:
            self._change(incident, people=version)

    def _link(self, subject: str, key: str, event: e.IncidentItemLinked) -> None:
        self._leave(key)
        self.arrivals += 1
        owner = self.known[
            subject
        ].id  # one string for all of them, where each event brings its own
        link = Link(
            incident=owner,
            arrival=self.arrivals,
            score=event.score,
            review=event.review,
        )
        self._put(key, replace(link, person=event.who is not None))
        if event.who:
            self._allow([key], subject)

    def _put(self, key: str, link: Link) -> None:
        self.links[key] = link
        item = MentionId.parse(key).item
        self.placed[item] = (*self.placed.get(item, ()), key)
        members = (*self.known[link.incident].members, key)
        self._change(
            link.incident,
            members=tuple(sorted(members, key=lambda m: self.links[m].arrival)),
        )

    def _leave(self, key: str) -> None:
        link = self.links.pop(key, None)
        if link is not None:
            item = MentionId.parse(key).item
            self.placed[item] = tuple(k for k in self.placed[item] if k != key)
            owner = self.known[link.incident]
            self._change(owner.id, members=tuple(m for m in owner.members if m != key))

    def _redirect(self, source: str, into: str) -> None:
        if self.resolve(into) == source:
            raise ValueError(
                f"{source} cannot redirect to {into}, which redirects to it: the log is damaged"
            )
        self._change(source, into=into)
        self._change(into, merged=(*self.known[into].merged, source))

    def _stand_alone(self, source: str) -> None:
        into = self.known[source].into
        if into is not None:
            self._change(source, into=None)
            self._change(
                into, merged=tuple(m for m in self.known[into].merged if m != source)
            )

    def _split(self, subject: str, event: e.IncidentSplit) -> None:
        brought = tuple(
            (key, self.links[key]) for key in event.mentions if key in self.links
        )
        self.known[event.into] = Incident(
            id=event.into, split_from=subject, brought=brought
        )
        for key, link in brought:
            self._leave(key)
            self._put(key, replace(link, incident=event.into, person=True))
        self._bar(event.mentions, subject)
        self._bar(self.members(subject), event.into)

    def _unsplit(self, subject: str, event: e.IncidentSplit) -> None:
        for key, before in self.known[event.into].brought:
            now = self.links.get(key)
            if key in event.mentions and now is not None and now.incident == event.into:
                self._leave(key)
                self._put(key, before)
        if not self.members(event.into):
            self._redirect(event.into, subject)
        self._allow(self.members(subject), subject, event.into)

    def _bar(self, keys: Iterable[str], incident: str) -> None:
        for key in keys:
            self.cannot_link[key] = self.cannot_link.get(key, frozenset()) | {incident}

    def _allow(self, keys: Iterable[str], *incidents: str) -> None:
        allowed = {self.resolve(i) for i in incidents}
        for key in keys:
            if key in self.cannot_link:
                self.cannot_link[key] = frozenset(
                    i for i in self.cannot_link[key] if self.resolve(i) not in allowed
                )

    def _change(self, incident: str, **changes: Any) -> None:
        self.known[incident] = replace(self.known[incident], **changes)
