"""Hold the log against every subscription: log entries in, pending positions out.

Subscriptions with the same filter and scope are decided together. Those that follow the
head are matched in one pass over new entries; those that are behind (re-enabled, new with
a past, or full) catch up in pages of their own until they have reached the head.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from incidentwire.log.log_position import LogPosition
from incidentwire.log.recorded_event import RecordedEvent
from services.api.filters.matching import fields_used, matches
from services.api.filters.parser import FIELDS, FieldRules, FilterError, Node, parse
from services.api.subscriptions import facts as event_facts
from services.api.subscriptions.database import Database
from services.api.subscriptions.facts import NEW_TYPES, UPDATE_TYPES, EntryFacts
from services.api.subscriptions.model import Channel, Scope, Status, Subscription
from services.api.subscriptions.pending import PendingPositions
from services.api.subscriptions.recipients import Recipients
from services.api.subscriptions.store import SubscriptionStore

MAX_PENDING = 5_000  # rows of one subscription; past it, it reads the log later
REFILL_BELOW = 1_000
CATCH_UP_PAGE = 1_000  # entries


@dataclass(frozen=True)
class CompiledFilter:
    """A parsed filter with its scope: what subscriptions that share both are decided by."""

    tree: Node
    scope: Scope
    types: frozenset[str] | None  # None: the filter names event types itself
    needs_text: bool

    @classmethod
    def of(cls, text: str, scope: Scope, rules: FieldRules = FIELDS) -> CompiledFilter:
        """Compile a filter. Raises FilterError."""
        tree = parse(text, rules)
        used = fields_used(tree)
        types = NEW_TYPES if scope is Scope.NEW else UPDATE_TYPES
        return cls(
            tree=tree,
            scope=scope,
            types=None if "type" in used else types,
            needs_text="text" in used,
        )

    def reports(self, type_name: str) -> bool:
        """Return whether the subscription reports events of a type at all."""
        return self.types is None or type_name in self.types

    def accepts(self, found: EntryFacts) -> bool:
        """Return whether the entry is one that the subscription reports."""
        return self.reports(found.type) and matches(self.tree, found.facts)


Row = tuple[str, int, bool]  # subscription, position, urgent


@dataclass
class Matched:
    """What a batch adds to the pending rows, with the subjects of its events.

    A correction may come in the same batch as what it corrects, before either is stored.
    """

    rows: list[Row] = field(default_factory=list)
    subjects: dict[int, tuple[str, ...]] = field(default_factory=dict)
    _by_subject: dict[str, list[Mapping[str, bool]]] = field(default_factory=dict)

    def add(self, found: EntryFacts, urgent: Mapping[str, bool]) -> None:
        """Add an event for these subscriptions."""
        position = found.entry.position
        if urgent:
            self.subjects[position] = found.related
        for subscription, at_once in sorted(urgent.items()):
            self.rows.append((subscription, position, at_once))
        for subject in found.related:
            self._by_subject.setdefault(subject, []).append(urgent)

    def of_correction(self, subjects: Iterable[str]) -> list[Mapping[str, bool]]:
        """Return the subscriptions of each event about one of the subjects."""
        return [
            urgent for name in subjects for urgent in self._by_subject.get(name, ())
        ]


ReadPage = Callable[[int, int], Sequence[RecordedEvent]]  # after a position, up to n


class Matcher:
    """The filters of all subscriptions, in memory, and the pass over the log.

    `read_model` answers queries about subjects; it must have reached the entries.
    """

    def __init__(self, database: Database, read_model: sqlite3.Connection) -> None:
        self.database = database
        self.store = SubscriptionStore(database)
        self.pending = PendingPositions(database)
        self.recipients = Recipients(database)
        self.read_model = read_model
        self._revision = -1
        self._groups: dict[CompiledFilter, list[str]] = {}
        self._corrected: set[str] = set()  # those that get corrections
        self._behind: list[Subscription] = []
        self._counts: dict[str, int] = {}

    def refresh(self) -> None:
        """Read the subscriptions again if any has changed."""
        revision = self.database.revision()
        if revision == self._revision:
            return
        self._revision = revision
        groups: dict[CompiledFilter, list[str]] = defaultdict(list)
        self._behind = []
        self._corrected = set()
        for subscription in self.store.all():
            if subscription.status is not Status.ACTIVE:
                continue
            if subscription.channel is Channel.FEED:
                continue
            if subscription.scanned is not None:
                self._behind.append(subscription)
                continue
            compiled = _compiled(subscription)
            if compiled is not None:
                groups[compiled].append(subscription.id)
                if _gets_corrections(subscription):
                    self._corrected.add(subscription.id)
        self._groups = dict(groups)
        self._counts = self.pending.pending_counts()

    def match(self, entries: Sequence[RecordedEvent], log_id: str) -> int:
        """Match a batch for all that follow the head; return how many rows it added.

        The rows and the new head are one transaction: a batch is matched once.
        """
        matched = Matched()
        for entry in entries:
            self._match_entry(entry, matched)
        with self.database.transaction():
            self._add_pending(matched)
            if entries:
                self.database.set_head(LogPosition.of(log_id, entries[-1]))
            self._stop_full(matched.rows, entries)
        return len(matched.rows)

    def catch_up(self, read_page: ReadPage, head: int) -> bool:
        """Advance one page for each subscription that is behind; return whether any moved."""
        moved = False
        for subscription in list(self._behind):
            if self.pending.pending_count(subscription.id) > REFILL_BELOW:
                continue
            compiled = _compiled(subscription)
            after = subscription.scanned or 0
            entries = (
                read_page(after, min(CATCH_UP_PAGE, head - after))
                if head > after
                else []
            )
            matched = self._match_one(subscription, compiled, entries)
            reached = entries[-1].position if entries else head
            with self.database.transaction():
                self._add_pending(matched)
                joined = None if reached >= head else reached
                self.store.change(subscription.id, scanned=joined)
                self.database.touch()
            moved = True
        if moved:
            self.refresh()
        return moved

    def _match_entry(self, entry: RecordedEvent, matched: Matched) -> None:
        """Match an event for all that follow the head."""
        name = entry.type.partition(":")[0]
        interested = [each for each in self._groups if each.reports(name)]
        if not interested and name not in UPDATE_TYPES:
            return
        found = self._facts(entry, any(compiled.needs_text for compiled in interested))
        urgent = {
            subscription: False
            for compiled in interested
            if compiled.accepts(found)
            for subscription in self._groups[compiled]
        }
        corrects = self._corrections(found, matched)
        for subscription in corrects.keys() & self._corrected:
            urgent[subscription] = corrects[subscription]
        matched.add(found, urgent)

    def _match_one(
        self,
        subscription: Subscription,
        compiled: CompiledFilter | None,
        entries: Sequence[RecordedEvent],
    ) -> Matched:
        """Match events for one subscription, corrections of what it was sent included."""
        matched = Matched()
        for entry in entries:
            if compiled is None:
                break
            found = self._facts(entry, compiled.needs_text)
            corrects = self._corrections(found, matched).get(subscription.id)
            if corrects is not None and _gets_corrections(subscription):
                matched.add(found, {subscription.id: corrects})
            elif compiled.accepts(found):
                matched.add(found, {subscription.id: False})
        return matched

    def _corrections(self, found: EntryFacts, matched: Matched) -> dict[str, bool]:
        """Return who gets an event as a correction, and whether at once."""
        if not found.is_correction:
            return {}
        known = [
            self.recipients.of_correction(found.related),
            *matched.of_correction(found.related),
        ]
        urgent: dict[str, bool] = {}
        for each in known:
            for subscription, at_once in each.items():
                urgent[subscription] = at_once or urgent.get(subscription, False)
        return urgent

    def _add_pending(self, matched: Matched) -> None:
        self.pending.add_pending(matched.rows)
        self.recipients.add_subjects(matched.subjects)

    def _facts(self, entry: RecordedEvent, texts: bool) -> EntryFacts:
        return event_facts.read(self.read_model, entry, texts=texts)

    def _stop_full(self, rows: Sequence[Row], entries: Sequence[RecordedEvent]) -> None:
        """Detach subscriptions with too many pending rows; they catch up later."""
        for subscription, _, _ in rows:
            self._counts[subscription] = self._counts.get(subscription, 0) + 1
        full = {name for name, _, _ in rows if self._counts[name] > MAX_PENDING}
        for name in full:
            if self.pending.pending_count(name) > MAX_PENDING:
                self.store.change(name, scanned=entries[-1].position)
                self.database.touch()


def _gets_corrections(subscription: Subscription) -> bool:
    """Return whether corrections come past its filter; a group reads only what it names."""
    return subscription.channel is not Channel.PULL


def _compiled(subscription: Subscription) -> CompiledFilter | None:
    try:
        return CompiledFilter.of(subscription.filter, subscription.scope)
    except FilterError:
        return (
            None  # stored by a release whose language had a field that this one lacks
        )
