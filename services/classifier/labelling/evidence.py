"""The sentences that would convince a reader of a label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np

from incidentwire.labels import LABELS
from services.classifier.labelling.analyzed_text import AnalyzedText, Sentence
from services.classifier.labelling.scoring import Scores
from services.classifier.text.sentences import Span

MAX_SPANS = 5
SHORT_CHARS = 25  # shorter lines are headings, captions, bylines
CLOSE_TO_BEST = 2.0  # log-odds; most that a further sentence may be below the best


def choose(
    reading: AnalyzedText,
    score: Callable[[Sequence[Sentence]], Scores],
    labels: tuple[str, ...],
) -> dict[str, tuple[Span, ...]]:
    """Return one to MAX_SPANS spans per label, in the order of the text.

    `score` returns the raw scores of single sentences, sentences x labels. If sentences
    signal a label, only those compete. A text without sentences has no spans.
    """
    if not reading.body or not labels:
        return {}
    competing = {label: _competing(reading, label) for label in labels}
    wanted = sorted(set(chain.from_iterable(competing.values())))
    sentences = [reading.body[index] for index in wanted]
    penalties = np.array([_shortness(one.span) for one in sentences])
    worth = score(sentences) - penalties[:, None]
    found = {}
    for label, indices in competing.items():
        values = dict(zip(wanted, worth[:, LABELS.index(label)].tolist(), strict=True))
        kept = _best({index: values[index] for index in indices})
        found[label] = tuple(reading.body[index].span for index in sorted(kept))
    return found


def _best(values: dict[int, float]) -> list[int]:
    """Return the sentences with the highest values; of equal ones the earlier."""
    least = max(values.values()) - CLOSE_TO_BEST
    close = [index for index, value in values.items() if value >= least]
    return sorted(close, key=lambda index: (-values[index], index))[:MAX_SPANS]


def _competing(reading: AnalyzedText, label: str) -> Sequence[int]:
    signalling = [
        index
        for index, sentence in enumerate(reading.body)
        if label in sentence.signals
    ]
    return signalling or range(len(reading.body))


def _shortness(span: Span) -> float:
    """Return the penalty of a heading against a full sentence."""
    return 0.1 * max(0, SHORT_CHARS - (span[1] - span[0]))
