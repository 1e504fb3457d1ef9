"""Hold the log against every subscription: log entries in, pending positions out.

Subscriptions with the same filter and scope are decided together. Those that follow the
head are matched in one pass over new entries; those that are behind (re-enabled, new with
a past, or full) catch up in pages of their own until they have reached the head.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from incidentwire.log.log_position import LogPosition
from incidentwire.log.recorded_event import RecordedEvent
from services.api.filters.matching import fields_used, matches
from services.api.filters.parser import FilterError, Node, parse
from services.api.subscriptions import facts as event_facts
from services.api.subscriptions.database import Database
from services.api.subscriptions.facts import NEW_TYPES, UPDATE_TYPES, EntryFacts
from services.api.subscriptions.ledger import Ledger
from services.api.subscriptions.model import Channel, Scope, Status, Subscription
from services.api.subscriptions.pending import PendingPositions
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
    def of(cls, text: str, scope: Scope) -> CompiledFilter:
        """Compile a filter. Raises FilterError."""
        tree = parse(text)
        used = fields_used(tree)
        types = NEW_TYPES if scope is Scope.NEW else UPDATE_TYPES
        return cls(
            tree=tree,
            scope=scope,
            types=None if "type" in used else types,
            needs_text="text" in used,
        )

    def accepts(self, found: EntryFacts) -> bool:
        """Return whether the entry is one that the subscription reports."""
        if self.types is not None and found.type not in self.types:
            return False
        return matches(self.tree, found.facts)


ReadPage = Callable[[int, int], Sequence[RecordedEvent]]  # after a position, up to n


class Matcher:
    """The filters of all subscriptions, in memory, and the pass over the log.

    `read_model` answers queries about subjects; it must have reached the entries.
    """

    def __init__(self, database: Database, read_model: sqlite3.Connection) -> None:
        self.database = database
        self.store = SubscriptionStore(database)
        self.pending = PendingPositions(database)
        self.ledger = Ledger(database)
        self.read_model = read_model
        self._revision = -1
        self._groups: dict[CompiledFilter, list[str]] = {}
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
        self._groups = dict(groups)
        self._counts = self.pending.pending_counts()

    def match(self, entries: Sequence[RecordedEvent], log_id: str) -> int:
        """Match a batch for all that follow the head; return how many rows it added.

        The rows and the new head are one transaction: a batch is matched once.
        """
        rows: list[tuple[str, int, bool]] = []
        for entry in entries:
            rows += self._rows(entry)
        with self.database.transaction():
            self.pending.add_pending(rows)
            if entries:
                self.database.set_head(LogPosition.of(log_id, entries[-1]))
            self._stop_full(rows, entries)
        return len(rows)

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
            rows = self._rows_of(subscription.id, compiled, entries)
            reached = entries[-1].position if entries else head
            with self.database.transaction():
                self.pending.add_pending(rows)
                joined = None if reached >= head else reached
                self.store.change(subscription.id, scanned=joined)
                self.database.touch()
            moved = True
        if moved:
            self.refresh()
        return moved

    def _rows(self, entry: RecordedEvent) -> list[tuple[str, int, bool]]:
        name = entry.type.partition(":")[0]
        interested = [
            compiled
            for compiled in self._groups
            if compiled.types is None or name in compiled.types
        ]
        if not interested and name not in UPDATE_TYPES:
            return []
        found = self._facts(entry, any(compiled.needs_text for compiled in interested))
        matched = {
            subscription
            for compiled in interested
            if compiled.accepts(found)
            for subscription in self._groups[compiled]
        }
        notified = set[str]()
        if found.is_correction:
            notified = (
                self.ledger.subscriptions_notified(found.related) & self._active()
            )
        return [
            (subscription, entry.position, subscription in notified)
            for subscription in sorted(matched | notified)
        ]

    def _rows_of(
        self,
        subscription: str,
        compiled: CompiledFilter | None,
        entries: Sequence[RecordedEvent],
    ) -> list[tuple[str, int, bool]]:
        """Return the rows of one subscription, corrections of what it was sent included."""
        rows = []
        for entry in entries:
            if compiled is None:
                break
            found = self._facts(entry, compiled.needs_text)
            corrects = found.is_correction and subscription in (
                self.ledger.subscriptions_notified(found.related)
            )
            if corrects or compiled.accepts(found):
                rows.append((subscription, entry.position, corrects))
        return rows

    def _facts(self, entry: RecordedEvent, texts: bool) -> EntryFacts:
        return event_facts.read(self.read_model, entry, texts=texts)

    def _active(self) -> set[str]:
        return {name for names in self._groups.values() for name in names}

    def _stop_full(
        self, rows: Sequence[tuple[str, int, bool]], entries: Sequence[RecordedEvent]
    ) -> None:
        """Detach subscriptions with too many pending rows; they catch up later."""
        for subscription, _, _ in rows:
            self._counts[subscription] = self._counts.get(subscription, 0) + 1
        full = {name for name, _, _ in rows if self._counts[name] > MAX_PENDING}
        for name in full:
            if self.pending.pending_count(name) > MAX_PENDING:
                self.store.change(name, scanned=entries[-1].position)
                self.database.touch()


def _compiled(subscription: Subscription) -> CompiledFilter | None:
    try:
        return CompiledFilter.of(subscription.filter, subscription.scope)
    except FilterError:
        return (
            None  # stored by a release whose language had a field that this one lacks
        )
