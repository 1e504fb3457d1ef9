"""Which events a subscriber wants, decided without decoding the entry. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from incidentwire.events import TYPES
from incidentwire.log.recorded_event import RecordedEvent

FAMILIES = tuple(sorted({f"{name.partition('.')[0]}." for name in TYPES}))
CHOICES = (*sorted(TYPES), *FAMILIES)  # what may be asked for as a type


@dataclass(frozen=True, kw_only=True)
class EventFilter:
    """A filter: each non-empty part must match.

    `types` holds exact names and prefixes that end in a dot. Equal filters are equal
    keys, so that the broadcaster decides once for all subscribers that share one.
    """

    types: tuple[str, ...] = ()
    labels: frozenset[str] = frozenset()
    subject: str | None = None

    @property
    def is_all(self) -> bool:
        """Return whether every event matches."""
        return not (self.types or self.labels or self.subject)

    def matches(self, entry: RecordedEvent) -> bool:
        """Return whether the entry satisfies the filter."""
        if self.subject and entry.subject != self.subject:
            return False
        if self.types and not self._is_type(entry.type.partition(":")[0]):
            return False
        return not self.labels or not self.labels.isdisjoint(labels_of(entry))

    def _is_type(self, name: str) -> bool:
        return any(
            name == wanted or (wanted.endswith(".") and name.startswith(wanted))
            for wanted in self.types
        )


def wanted(
    types: Iterable[str] = (), labels: Iterable[str] = (), subject: str | None = None
) -> EventFilter:
    """Return the filter in its canonical form: names sorted, each once."""
    return EventFilter(
        types=tuple(sorted(set(types))), labels=frozenset(labels), subject=subject
    )


def labels_of(entry: RecordedEvent) -> frozenset[str]:
    """Return the event's labels and those before it, so that a removal is seen too."""
    if '"labels' not in entry.data:  # most entries: spares the parsing
        return frozenset()
    data = json.loads(entry.data)
    return frozenset([*data.get("labels", ()), *data.get("labels_before", ())])
