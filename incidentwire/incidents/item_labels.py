"""The effective labels of an item's mentions: corrections take precedence. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from incidentwire import events as e
from incidentwire.labels import LABELS, Label, MentionId

MAIN_MENTION = "m0"  # used if only a curator, not the model, assigned labels


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemLabels:
    """What incidents need of an item.

    `mentions` are the model's labels by mention id, in order of the text. `corrected` are
    the labels that a curator set. `gone` marks a withdrawn or aliased item.
    """

    mentions: Mapping[str, tuple[Label, ...]] = field(default_factory=dict)
    corrected: tuple[Label, ...] | None = None
    gone: bool = False


NO_LABELS = ItemLabels()


def apply_item_event(labels: ItemLabels, event: e.Event) -> ItemLabels:
    """Return the labels of an item after an event that affects them."""
    match event:
        case e.ItemClassified():
            mentions = tuple((m.id, m.labels) for m in event.mentions)
            return intern(mentions, labels.corrected, labels.gone)
        case e.ItemCorrected():
            corrected = None if event.withdrawn else event.labels
            return replace(labels, corrected=corrected)
        case _:
            return replace(labels, gone=True)


@lru_cache(maxsize=10_000)
def intern(
    mentions: tuple[tuple[str, tuple[Label, ...]], ...],
    corrected: tuple[Label, ...] | None,
    gone: bool,
) -> ItemLabels:
    """Return one shared object for equal values: most items have one mention, one label."""
    return ItemLabels(mentions=dict(mentions), corrected=corrected, gone=gone)


def labelled(item: str, labels: ItemLabels) -> dict[str, tuple[Label, ...]]:
    """Return the effective labels by mention key, mentions without labels left out.

    A label that a curator added goes to the first mention; one that a curator removed is
    removed from all.
    """
    if labels.gone:
        return {}
    by_mention = dict(labels.mentions)
    if labels.corrected is not None:
        by_mention = _corrected(by_mention, labels.corrected)
    return {
        str(MentionId(item, mention)): found
        for mention, found in by_mention.items()
        if found
    }


def _corrected(
    by_mention: Mapping[str, tuple[Label, ...]], corrected: tuple[Label, ...]
) -> dict[str, tuple[Label, ...]]:
    kept = {
        mention: tuple(label for label in labels if label in corrected)
        for mention, labels in by_mention.items()
    }
    assigned = {label for labels in kept.values() for label in labels}
    main = next(iter(kept), MAIN_MENTION)
    added = set(corrected) - assigned
    kept[main] = in_order(added.union(kept.get(main, ())))
    return kept


def in_order(labels: Iterable[Label]) -> tuple[Label, ...]:
    """Return distinct labels in the order of LABELS."""
    found = set(labels)
    return tuple(label for label in LABELS if label in found)
