"""Which labels count for the mentions of an item: people's corrections stand over the model's judgement. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from incidentwire import events as e
from incidentwire.labels import LABELS, Label, MentionId

MAIN_MENTION = "m0"  # of an item in which the model found none, and a person did


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemLabels:
    """What incidents need to know of an item. `mentions` are the model's, by id, in order; `corrected` the labels as
    a person set them."""

    mentions: Mapping[str, tuple[Label, ...]] = field(default_factory=dict)
    corrected: tuple[Label, ...] | None = None
    gone: bool = False


def apply_item_event(facts: ItemLabels, event: e.Event) -> ItemLabels:
    """Return the labels of an item after an event that affects them."""
    match event:
        case e.ItemClassified():
            return facts_of(
                tuple((m.id, m.labels) for m in event.mentions),
                facts.corrected,
                facts.gone,
            )
        case e.ItemCorrected():
            return replace(facts, corrected=None if event.withdrawn else event.labels)
        case _:
            return replace(facts, gone=True)


@lru_cache(maxsize=10_000)
def facts_of(
    mentions: tuple[tuple[str, tuple[Label, ...]], ...],
    corrected: tuple[Label, ...] | None,
    gone: bool,
) -> ItemLabels:
    """Items of which the same is known share one object: most of the wire has one mention with one label."""
    return ItemLabels(mentions=dict(mentions), corrected=corrected, gone=gone)


def labelled(item: str, facts: ItemLabels) -> dict[str, tuple[Label, ...]]:
    """The mention keys that have labels, and the labels that count. What a person added goes to the main mention, which
    is the first; what they took away goes from all."""
    if facts.gone:
        return {}
    by_mention = dict(facts.mentions)
    if facts.corrected is not None:
        by_mention = {
            m: tuple(x for x in labels if x in facts.corrected)
            for m, labels in by_mention.items()
        }
        added = [
            x
            for x in facts.corrected
            if not any(x in labels for labels in by_mention.values())
        ]
        main = next(iter(by_mention), MAIN_MENTION)
        by_mention[main] = in_order((*by_mention.get(main, ()), *added))
    return {
        str(MentionId(item, m)): labels for m, labels in by_mention.items() if labels
    }


def in_order(labels: Iterable[Label]) -> tuple[Label, ...]:
    """Distinct labels in the order of LABELS."""
    found = set(labels)
    return tuple(label for label in LABELS if label in found)


NO_LABELS = ItemLabels()
