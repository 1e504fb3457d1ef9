"""Figures of the installed model on what people decided.

A decision is the correction of an item that was not withdrawn. The model is asked about
the stored text; texts that are no longer stored are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from incidentwire.archive import Archive, ContentCorrupt, ContentNotFound
from incidentwire.documents import StoredDocument
from incidentwire.items import Item
from incidentwire.labels import LABELS
from incidentwire.log.event_log import EventLog
from services.classifier.labelling.classifier import Classifier
from services.classifier.reclassify import kept_items

UNKNOWN = "unknown"


@dataclass(kw_only=True)
class Tally:
    """Counts of one group of items, by label."""

    items: int = 0
    exact: int = 0
    right: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LABELS, 0))
    given: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LABELS, 0))
    wanted: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LABELS, 0))

    def add(self, given: Iterable[str], wanted: Iterable[str]) -> None:
        """Count one item."""
        model = set(given)
        people = set(wanted)
        self.items += 1
        self.exact += model == people
        for label in LABELS:
            self.right[label] += label in model & people
            self.given[label] += label in model
            self.wanted[label] += label in people

    def f1(self, label: str) -> float | None:
        """Return F1 of a label; None if neither the model nor people gave it."""
        total = self.given[label] + self.wanted[label]
        return 2.0 * self.right[label] / total if total else None

    def as_row(self, group: str, name: str) -> dict[str, object]:
        """Return the figures as a row."""
        scores = {label: self.f1(label) for label in LABELS}
        known = [score for score in scores.values() if score is not None]
        return {
            "group": group,
            "name": name,
            "items": self.items,
            "exact": round(self.exact / self.items, 3),
            "macro_f1": round(sum(known) / len(known), 3) if known else None,
        } | {
            label: None if score is None else round(score, 3)
            for label, score in scores.items()
        }


def evaluate(
    log: EventLog,
    archive: Archive,
    classifier: Classifier,
    advance: Callable[[], None] = lambda: None,
) -> list[dict[str, object]]:
    """Return rows of figures: of all, and by month, source and language."""
    tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
    for item, document in _decided(log, archive):
        advance()
        found = classifier.classify(document.title, document.text, document.language)
        wanted = item.labels
        for group in (
            ("all", "all"),
            ("month", (document.published or UNKNOWN)[:7]),
            ("source", document.site or UNKNOWN),
            ("language", found.language),
        ):
            tallies[group].add(found.labels, wanted)
    return [tally.as_row(*group) for group, tally in sorted(tallies.items())]


def _decided(log: EventLog, archive: Archive) -> Iterator[tuple[Item, StoredDocument]]:
    for item in kept_items(log):
        if item.corrected is None or item.fetched is None:
            continue
        try:
            content = archive.get(item.id, item.fetched.document_digest)
        except (ContentNotFound, ContentCorrupt):
            continue
        yield item, StoredDocument.from_bytes(content)
