"""Run the installed model over the stored texts: compare, and append on request.

A run can be interrupted and started again: each new judgement has an idempotency key
made of model and text, so that it is appended once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from incidentwire import items
from incidentwire.archive import Archive, ContentCorrupt, ContentNotFound
from incidentwire.documents import StoredDocument
from incidentwire.events import ItemReclassifyRequested
from incidentwire.items import Item, State
from incidentwire.labels import LABELS, Label
from incidentwire.log.event_log import EventLog, VersionConflict, Withdrawn
from services.classifier import item_events
from services.classifier.labelling.classifier import Classification, Classifier

EXAMPLES = 20  # items shown of those that change


@dataclass(frozen=True, kw_only=True)
class Change:
    """The new judgement of an item. `swing` is the largest change of a score."""

    item: Item
    result: Classification
    title: str
    text_digest: str
    swing: float

    @property
    def gained(self) -> set[Label]:
        """Return the labels that only the new judgement has."""
        return set(item_events.labels_of(self.result.labels)) - set(
            self.item.model_labels
        )

    @property
    def lost(self) -> set[Label]:
        """Return the labels that only the old judgement has."""
        return set(self.item.model_labels) - set(
            item_events.labels_of(self.result.labels)
        )


@dataclass(kw_only=True)
class Difference:
    """The result of a run over all items. `now_with_people` and `now_against_people`
    count corrected items by whether the new, or the old, labels are those of people."""

    looked_at: int = 0
    missing: int = 0  # texts that are no longer stored
    gained: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    now_with_people: int = 0
    now_against_people: int = 0
    changes: list[Change] = field(default_factory=list)

    @property
    def telling(self) -> list[Change]:
        """Return the largest changes, largest swing first."""
        return sorted(self.changes, key=lambda c: (-c.swing, c.item.id))[:EXAMPLES]


def kept_items(log: EventLog) -> list[Item]:
    """Return every classified item, as the log has it now."""
    found: dict[str, Item] = {}
    for entry in log.read():
        if entry.type.startswith("item."):
            item = found.get(entry.subject) or Item(id=entry.subject)
            found[entry.subject] = items.fold(
                item, entry.position, entry.event, entry.traceparent
            )
    return [
        item
        for item in found.values()
        if item.classified and item.fetched and item.state is State.CLASSIFIED
    ]


def compare(
    log: EventLog,
    archive: Archive,
    classifier: Classifier,
    key: bytes,
    advance: Callable[[], None] = lambda: None,
) -> Difference:
    """Classify every stored text with the installed model and return the differences.
    Nothing is written."""
    difference = Difference()
    for item, change in _judged(kept_items(log), archive, classifier, key):
        advance()
        difference.looked_at += 1
        if change is None:
            difference.missing += 1
        elif change.gained or change.lost:
            _count(difference, item, change)
    return difference


def apply(
    log: EventLog,
    archive: Archive,
    classifier: Classifier,
    key: bytes,
    advance: Callable[[], None] = lambda: None,
) -> int:
    """Append the new judgement of each item that changes; return how many there were."""
    appended = 0
    for item, change in _judged(kept_items(log), archive, classifier, key):
        advance()
        if change is None or not (change.gained or change.lost):
            continue
        asked = ItemReclassifyRequested(who=classifier.version)
        judged = item_events.classified(
            item, change.text_digest, change.result, classifier.version
        )
        once = f"judged:{classifier.version}:{change.text_digest[:16]}"
        try:
            appended += log.append(
                item.id,
                asked,
                judged,
                idempotency_key=once,
                expected_versions={item.id: item.version},
            ).new
        except (VersionConflict, Withdrawn):
            continue  # it changed meanwhile; the next run takes it again
    return appended


def _judged(
    wanted: list[Item], archive: Archive, classifier: Classifier, key: bytes
) -> Iterator[tuple[Item, Change | None]]:
    for item in wanted:
        assert item.fetched is not None  # noqa: S101  # kept_items chose them so
        assert item.classified is not None  # noqa: S101
        try:
            document = StoredDocument.from_bytes(
                archive.get(item.id, item.fetched.document_digest)
            )
        except (ContentNotFound, ContentCorrupt):
            yield item, None
            continue
        result = classifier.classify(
            document.title,
            document.text,
            document.language,
            published=document.published,
            key=key,
        )
        before = item.classified.scores
        swings = (abs(result.scores[k] - before.get(k, 0.0)) for k in LABELS)
        change = Change(
            item=item,
            result=result,
            title=document.title,
            text_digest=document.text_digest,
            swing=max(swings),
        )
        yield item, change


def _count(difference: Difference, item: Item, change: Change) -> None:
    difference.changes.append(change)
    difference.gained.update(change.gained)
    difference.lost.update(change.lost)
    if item.corrected:
        people = set(item.corrected.labels)
        difference.now_with_people += set(change.result.labels) == people
        difference.now_against_people += set(item.model_labels) == people
