"""Cut a text at the borders of its evidence, so that a template can mark it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Span = tuple[int, int, str]  # start, end (exclusive) in code points; label


@dataclass(frozen=True)
class Segment:
    """A run of text with the labels that it is evidence of; most have none."""

    text: str
    labels: tuple[str, ...] = ()


def segments(text: str, spans: Iterable[Span], offset: int = 0) -> list[Segment]:
    """Return the text in segments. `offset` is the place of the text's first character.

    Spans outside the text are ignored. Linear in the text, n log n in the spans.
    """
    changes: list[tuple[int, int, str]] = []
    for start, end, label in spans:
        a = max(0, start - offset)
        b = min(len(text), end - offset)
        if a < b:
            changes += [(a, 1, label), (b, -1, label)]
    changes.sort()
    found: list[Segment] = []
    active: dict[str, int] = {}
    at = 0
    for place, step, label in changes:
        if place > at:
            found.append(Segment(text[at:place], _labels(active)))
            at = place
        active[label] = active.get(label, 0) + step
    if at < len(text):
        found.append(Segment(text[at:]))
    return found


def _labels(active: dict[str, int]) -> tuple[str, ...]:
    return tuple(label for label, count in active.items() if count > 0)
