"""The incidents after a prefix of the log: members, redirects and labels. Pure.

An incident owns the mentions that were linked to it. A merge only makes one id redirect to
another, which then shows the mentions of both; undoing it is therefore exact, whatever
happened in between. Linker and API fold with this one class; decisions.py decides what may
happen next.
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
    """The placement of one mention.

    `person` is True once a curator has placed the mention; the linker never moves it
    again. `sequence` numbers the links of the log from 1.
    """

    incident: str
    sequence: int = 0
    score: float = 1.0
    review: tuple[str, ...] = ()
    person: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Incident:
    """One id and what it owns.

    `version` is what curator commands expect; it increases whenever curators change the
    incident or anything it shows. `members` are mention keys (`<item>#<mention>`) in the
    order of their links. `into` is set while the id redirects; `merged` lists the ids that
    redirect here. `split_members` holds, for an incident that was split off, its initial
    mentions, each with its earlier link. `auto_closed` marks an incident that lost its last
    mention, in contrast to one that a curator dismissed.
    """

    id: str
    status: str = "open"
    title: str | None = None  # set by a curator
    version: int = 0
    members: tuple[str, ...] = ()
    into: str | None = None
    merged: tuple[str, ...] = ()
    split_from: str | None = None
    split_members: tuple[tuple[str, Link], ...] = ()
    auto_closed: bool = False
    same_as: tuple[str, ...] = ()  # addresses of records in other databases


def incident_id(item: str, mention: str, attempt: int = 0) -> str:
    """Return the id of the incident that a mention opens.

    `attempt` counts the incidents that the mention opened before and was moved out of.
    """
    named = str(MentionId(item, mention))
    if attempt:
        named += f"#{attempt}"
    digest = base64.b32encode(hashlib.sha256(named.encode()).digest())
    return f"n_{digest.decode('ascii').lower()[:ID_CHARS]}"


class IncidentsState:
    """The state after a prefix of the log; equal prefixes give equal states.

    Only `apply` changes it. `links` and `cannot_link` (the incidents that curators took a
    mention out of) are keyed by mention, `mentions_of_item` (mentions that have a link) and
    `items` by item. `commands` counts the events that curators caused.
    """

    def __init__(self) -> None:
        self.by_id: dict[str, Incident] = {}
        self.links_made = 0
        self.commands = 0
        self.links: dict[str, Link] = {}
        self.mentions_of_item: dict[str, tuple[str, ...]] = {}
        self.items: dict[str, ItemLabels] = {}
        self.cannot_link: dict[str, frozenset[str]] = {}
        self._shortcuts: dict[str, str] = {}  # id -> an id further along its redirects

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IncidentsState):
            return False
        names = vars(self).keys() - {"_shortcuts"}
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def copy(self) -> IncidentsState:
        """Return the same state to fold on; keys are copied, values are immutable."""
        copied = IncidentsState()
        for name, value in vars(self).items():
            setattr(copied, name, value.copy() if isinstance(value, dict) else value)
        return copied

    # -- reading

    def resolve(self, incident: str) -> str:
        """Return the active id to which an id redirects. Raises KeyError if unknown.

        Redirects are compressed on the way, so that long chains are walked once.
        """
        passed = []
        root = incident
        while (into := self.by_id[root].into) is not None:
            passed.append(root)
            root = self._shortcuts.get(root, into)
        for name in passed[:-1]:
            self._shortcuts[name] = root
        return root

    def get(self, incident: str) -> Incident:
        """Return the active incident of an id. Raises KeyError if unknown."""
        return self.by_id[self.resolve(incident)]

    def active(self) -> Iterator[Incident]:
        """Yield the incidents that redirect to no other, oldest first."""
        return (i for i in self.by_id.values() if i.into is None)

    def tree(self, incident: str) -> Iterator[str]:
        """Yield an id and all ids merged into it, each before those merged into it."""
        waiting = [incident]
        while waiting:
            name = waiting.pop()
            yield name
            waiting += reversed(self.by_id[name].merged)

    def members(self, incident: str) -> tuple[str, ...]:
        """Return the mention keys of an incident and of all that is merged into it."""
        found: list[str] = []
        for name in self.tree(incident):
            found += self.by_id[name].members
        return tuple(found)

    def where(self, key: str) -> str | None:
        """Return the active incident of a mention."""
        link = self.links.get(key)
        return self.resolve(link.incident) if link else None

    def cannot_link_for(self, key: str) -> frozenset[str]:
        """Return the active incidents that the linker must not put a mention into."""
        return frozenset(self.resolve(i) for i in self.cannot_link.get(key, ()))

    def labelled(self, item: str) -> dict[str, tuple[Label, ...]]:
        """Return the effective labels by mention key, mentions without labels left out."""
        return labelled(item, self.items.get(item, NO_LABELS))

    def labels(self, members: Iterable[str]) -> tuple[Label, ...]:
        """Return the effective labels of mentions together, in the order of LABELS."""
        found: set[Label] = set()
        for key in members:
            item = MentionId.parse(key).item
            found.update(self.labelled(item).get(key, ()))
        return in_order(found)

    # -- folding

    def apply(self, subject: str, event: e.Event) -> None:
        """Fold one event of any type. Raises KeyError for an incident never opened."""
        if event.affects_labels:
            before = self.items.get(subject, NO_LABELS)
            self.items[subject] = apply_item_event(before, event)
        elif isinstance(event, e.IncidentEvent) and event.by_person:
            concerned = self._concerned(subject, event)
            self._apply_incident_event(subject, event)
            self.commands += 1
            self._raise_versions(concerned | self._concerned(subject, event))
        elif isinstance(event, e.IncidentEvent):
            self._apply_incident_event(subject, event)

    def _apply_incident_event(self, subject: str, event: e.IncidentEvent) -> None:
        match event:
            case e.IncidentOpened():
                self.by_id.setdefault(subject, Incident(id=subject))
            case e.IncidentCreated():
                self.by_id[subject] = Incident(
                    id=subject, title=event.title, same_as=event.same_as
                )
            case e.IncidentItemLinked() | e.IncidentItemUnlinked():
                self._apply_link_event(subject, event)
            case e.IncidentMerged():
                self._redirect(subject, event.into)
                self._permit(self.members(event.into), event.into)
            case e.IncidentUnmerged():
                self._end_redirect(subject)
                self._forbid(self.members(subject), event.into)
                self._forbid(self.members(event.into), subject)
            case e.IncidentSplit() if event.undone:
                self._unsplit(subject, event)
            case e.IncidentSplit():
                self._split(subject, event)
            case e.IncidentStatusChanged():
                auto_closed = event.who is None and event.new == "dismissed"
                self._change(subject, status=event.new, auto_closed=auto_closed)
            case e.IncidentRenamed():
                self._change(subject, title=event.new)
            case _:
                pass  # notes only raise the version

    def _apply_link_event(
        self, subject: str, event: e.IncidentItemLinked | e.IncidentItemUnlinked
    ) -> None:
        key = str(MentionId(event.item, event.mention))
        self._leave(key)
        if isinstance(event, e.IncidentItemUnlinked):
            if event.who:
                self._forbid([key], subject)
            return
        self.links_made += 1
        link = Link(
            # one string object per incident; each event brings its own copy
            incident=self.by_id[subject].id,
            sequence=self.links_made,
            score=event.score,
            review=event.review,
            person=event.who is not None,
        )
        self._put(key, link)
        if event.who:
            self._permit([key], subject)

    def _concerned(self, subject: str, event: e.IncidentEvent) -> set[str]:
        """Return the incidents that the event names, those that own what it moves, and
        those that show them now."""
        named = {subject, getattr(event, "into", subject)}
        if isinstance(event, e.IncidentSplit):
            named |= self.owners(event.mentions)
        known = named & self.by_id.keys()
        return known | {self.resolve(name) for name in known}

    def owners(self, keys: Iterable[str]) -> set[str]:
        """Return the incidents to which these mentions were linked, redirecting or not."""
        return {self.links[key].incident for key in keys if key in self.links}

    def _raise_versions(self, concerned: Iterable[str]) -> None:
        """Raise the incidents of a command to one version, higher than any shown before
        under any of these ids, including ids that redirected since."""
        version = 1 + max(self.by_id[i].version for i in concerned)
        for incident in concerned:
            self._change(incident, version=version)

    def _put(self, key: str, link: Link) -> None:
        self.links[key] = link
        item = MentionId.parse(key).item
        self.mentions_of_item[item] = (*self.mentions_of_item.get(item, ()), key)
        members = (*self.by_id[link.incident].members, key)
        ordered = sorted(members, key=lambda member: self.links[member].sequence)
        self._change(link.incident, members=tuple(ordered))

    def _leave(self, key: str) -> None:
        link = self.links.pop(key, None)
        if link is None:
            return
        item = MentionId.parse(key).item
        kept = tuple(k for k in self.mentions_of_item[item] if k != key)
        self.mentions_of_item[item] = kept
        owner = self.by_id[link.incident]
        members = tuple(member for member in owner.members if member != key)
        self._change(owner.id, members=members)

    def _redirect(self, source: str, into: str) -> None:
        if self.resolve(into) == source:
            raise ValueError(
                f"the log is damaged: {source} redirects to {into}, which redirects to"
                f" {source}"
            )
        self._change(source, into=into)
        self._change(into, merged=(*self.by_id[into].merged, source))

    def _end_redirect(self, source: str) -> None:
        into = self.by_id[source].into
        if into is None:
            return
        self._shortcuts.clear()
        self._change(source, into=None)
        merged = tuple(name for name in self.by_id[into].merged if name != source)
        self._change(into, merged=merged)

    def _split(self, subject: str, event: e.IncidentSplit) -> None:
        moved = [(key, self.links[key]) for key in event.mentions if key in self.links]
        self.by_id[event.into] = Incident(
            id=event.into, split_from=subject, split_members=tuple(moved)
        )
        for key, link in moved:
            self._leave(key)
            self._put(key, replace(link, incident=event.into, person=True))
        self._forbid(event.mentions, subject)
        self._forbid(self.members(subject), event.into)

    def _unsplit(self, subject: str, event: e.IncidentSplit) -> None:
        for key, before in self.by_id[event.into].split_members:
            now = self.links.get(key)
            if key in event.mentions and now is not None and now.incident == event.into:
                self._leave(key)
                self._put(key, before)
        if not self.members(event.into):
            self._redirect(event.into, subject)
        self._permit(self.members(subject), subject, event.into)

    def _forbid(self, keys: Iterable[str], incident: str) -> None:
        for key in keys:
            before = self.cannot_link.get(key, frozenset())
            self.cannot_link[key] = before | {incident}

    def _permit(self, keys: Iterable[str], *incidents: str) -> None:
        permitted = {self.resolve(i) for i in incidents}
        for key in keys:
            if key in self.cannot_link:
                kept = (
                    i for i in self.cannot_link[key] if self.resolve(i) not in permitted
                )
                self.cannot_link[key] = frozenset(kept)

    def _change(self, incident: str, **changes: Any) -> None:
        self.by_id[incident] = replace(self.by_id[incident], **changes)
