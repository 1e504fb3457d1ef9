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
# A single sentence may have won by a lure word. The next ones are shown beside it,
# unless they speak against the label.
USUAL_SPANS = 3
LEAST = -4.0  # log-odds
# The event of a text is in its title: what a sentence with all words of it gains.
TITLE_GAIN = 3.0  # log-odds
SIGNAL_GAIN = 1.0


def choose(
    reading: AnalyzedText,
    score: Callable[[Sequence[Sentence]], Scores],
    labels: tuple[str, ...],
) -> dict[str, tuple[Span, ...]]:
    """Return one to MAX_SPANS spans per label, in the order of the text.

    `score` returns the raw scores of single sentences, sentences x labels. If sentences
    signal a label, only they, their neighbours and the opening compete. A text without
    sentences has no spans.
    """
    if not reading.body or not labels:
        return {}
    competing = {label: _competing(reading, label) for label in labels}
    wanted = sorted(set(chain.from_iterable(competing.values())))
    sentences = [reading.body[index] for index in wanted]
    title = _terms(reading.title)
    gains = np.array([_gain(one, title) for one in sentences])
    worth = score(sentences) + gains[:, None]
    found = {}
    for label, indices in competing.items():
        values = {
            index: value + SIGNAL_GAIN * (label in reading.body[index].signals)
            for index, value in zip(
                wanted, worth[:, LABELS.index(label)].tolist(), strict=True
            )
            if index in indices
        }
        found[label] = tuple(
            reading.body[index].span for index in sorted(_best(values))
        )
    return found


def _best(values: dict[int, float]) -> list[int]:
    """Return the sentences with the highest values; of equal ones the earlier."""
    ranked = sorted(values, key=lambda index: (-values[index], index))
    close = values[ranked[0]] - CLOSE_TO_BEST
    return [
        index
        for place, index in enumerate(ranked[:MAX_SPANS])
        if place == 0
        or values[index] >= close
        or (place < USUAL_SPANS and values[index] >= LEAST)
    ]


def _competing(reading: AnalyzedText, label: str) -> set[int]:
    """Return the indices of the sentences among which the evidence is chosen."""
    signalling = [
        index
        for index, sentence in enumerate(reading.body)
        if label in sentence.signals
    ]
    every = range(len(reading.body))
    if not signalling:
        return set(every)
    opening = {one.span for one in reading.opening}
    near = {index + step for index in signalling for step in (-1, 0, 1)}
    near |= {index for index in every if reading.body[index].span in opening}
    return near.intersection(every)


def _terms(sentence: Sentence) -> set[int]:
    return {*sentence.words, *sentence.pairs.tolist()}


def _gain(sentence: Sentence, title: set[int]) -> float:
    """Return what a sentence gains by its words of the title, and loses as a heading."""
    shared = len(_terms(sentence) & title) / max(len(title), 1)
    start, end = sentence.span
    return TITLE_GAIN * shared - 0.1 * max(0, SHORT_CHARS - (end - start))
