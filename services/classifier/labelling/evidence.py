"""The sentences that would convince a reader of a label."""

from __future__ import annotations

from collections.abc import Callable

from services.classifier.labelling.features import Reading, Sentence
from services.classifier.labelling.scoring import Scores
from services.classifier.labelling.sentences import Span
from services.classifier.labelling.weights import LABELS

MAX_SPANS = 5
SHORT_CHARS = 25  # shorter lines are headings, captions, bylines
CLOSE_TO_BEST = 2.0  # in log-odds: how far below the best sentence another one may stay


def choose(
    reading: Reading, score: Callable[[Sentence], Scores], labels: tuple[str, ...]
) -> dict[str, tuple[Span, ...]]:
    """One to five spans per label, in the order of the text. Empty only where the text has no sentence.

    `score` gives the raw scores of one sentence read by itself. Where sentences signal the label, only those compete.
    """
    known: dict[int, Scores] = {}

    def value(index: int, label: int) -> float:
        if index not in known:
            known[index] = score(reading.body[index])
        return float(known[index][label]) - _shortness(reading.body[index].span)

    return {label: _spans(reading, label, value) for label in labels if reading.body}


def _spans(reading: Reading, label: str, value: Callable[[int, int], float]) -> tuple[Span, ...]:
    signalling = [index for index, sentence in enumerate(reading.body) if label in sentence.signals]
    candidates = signalling or range(len(reading.body))
    ranked = sorted(((value(index, LABELS.index(label)), -index) for index in candidates), reverse=True)
    best = ranked[0][0]
    kept = [-index for worth, index in ranked[:MAX_SPANS] if worth >= best - CLOSE_TO_BEST]
    return tuple(reading.body[index].span for index in sorted(kept))


def _shortness(span: Span) -> float:
    """What a heading loses against a full sentence."""
    return 0.1 * max(0, SHORT_CHARS - (span[1] - span[0]))
