"""Which events a subscriber wants, decided from the log entry alone. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from incidentwire.events import TYPES
from incidentwire.log.recorded_event import RecordedEvent
from services.api.filters.matching import Facts, fields_used, matches
from services.api.filters.parser import EVERYTHING, FilterError, Node, parse

FAMILIES = tuple(sorted({f"{name.partition('.')[0]}." for name in TYPES}))
CHOICES = (*sorted(TYPES), *FAMILIES)  # what may be asked for as a type
DECIDABLE = frozenset({"type", "label", "subject"})  # fields that an entry itself has


@dataclass(frozen=True, kw_only=True)
class EventFilter:
    """A filter: each non-empty part must match.

    `types` holds exact names and prefixes that end in a dot; `tree` is a parsed query
    of the filter language. Equal filters are equal keys, so that the broadcaster decides
    once for all subscribers that share one.
    """

    types: tuple[str, ...] = ()
    labels: frozenset[str] = frozenset()
    subject: str | None = None
    tree: Node = EVERYTHING

    @property
    def is_all(self) -> bool:
        """Return whether every event matches."""
        parts = (self.types, self.labels, self.subject)
        return not any(parts) and self.tree == EVERYTHING

    def matches(self, entry: RecordedEvent, facts: Facts | None = None) -> bool:
        """Return whether the entry satisfies the filter.

        `facts` are those of the entry, for callers that ask many filters about it.
        """
        if self.subject and entry.subject != self.subject:
            return False
        if self.types and not self._is_type(entry.type.partition(":")[0]):
            return False
        if not self.labels and self.tree == EVERYTHING:
            return True
        known = facts or facts_of(entry)
        if self.labels and self.labels.isdisjoint(known.labels):
            return False
        return matches(self.tree, known)

    def _is_type(self, name: str) -> bool:
        return any(
            name == wanted or (wanted.endswith(".") and name.startswith(wanted))
            for wanted in self.types
        )


def wanted(
    types: Iterable[str] = (),
    labels: Iterable[str] = (),
    subject: str | None = None,
    query: str = "",
) -> EventFilter:
    """Return the filter in its canonical form: names sorted, each once.

    Raises FilterError for a query that cannot be parsed, or that needs more than the
    entry itself.
    """
    tree = parse(query)
    unknown = fields_used(tree) - DECIDABLE
    if unknown:
        raise FilterError(
            "The log is filtered by type:, label: and subject: only. For words and other"
            " fields, create a subscription or a group: POST /v1/subscriptions.",
            0,
        )
    return EventFilter(
        types=tuple(sorted(set(types))),
        labels=frozenset(labels),
        subject=subject,
        tree=tree,
    )


def facts_of(entry: RecordedEvent) -> Facts:
    """Return what an entry says of itself.

    Labels include those before the event, so that a removal is seen too. Subjects
    include the other item or incident that the event names.
    """
    labels: frozenset[str] = frozenset()
    subjects = {entry.subject}
    # Most entries have none of these: spares the parsing.
    if any(name in entry.data for name in ('"labels', '"into"', '"item"')):
        data = json.loads(entry.data)
        labels = frozenset([*data.get("labels", ()), *data.get("labels_before", ())])
        named = (data.get("into"), data.get("item"))
        subjects.update(name for name in named if isinstance(name, str))
    return Facts(
        labels=labels,
        types=frozenset({entry.type.partition(":")[0]}),
        subjects=frozenset(subjects),
    )
