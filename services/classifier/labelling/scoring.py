"""The linear model at work: a document's score per label, and which of its sentences made it."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from services.classifier.labelling.features import Reading, Sentence, term_values, vector
from services.classifier.labelling.weights import LABELS, Decision, Weights

Scores = NDArray[np.float32]

REMEMBERED = 20_000  # what sentences may mean; past it the memory starts anew


class Scorer:
    """Scores readings with one set of weights; holds no state besides them and a bounded memory."""

    def __init__(self, weights: Weights) -> None:
        self.decisions: dict[str, Decision] = weights.decisions
        self._bias = np.asarray(weights.bias, dtype=np.float32)
        self._meanings: dict[tuple[tuple[str, ...], tuple[str, ...]], Scores] = {}  # of sentences without their words
        self._row = {feature: row for row, feature in enumerate(weights.features)}
        # One row of zeros more, for features that the model does not know.
        self._matrix = np.vstack([weights.matrix, np.zeros((1, len(LABELS)), dtype=np.float32)])

    def raw(self, reading: Reading) -> Scores:
        """Raw score per label (log-odds before calibration)."""
        return self._sum(vector(reading)) + self._bias

    def sentence(self, sentence: Sentence) -> Scores:
        """Raw score per label of one sentence, read as if it were the whole document."""
        meaning = (sentence.concepts, sentence.signals)
        if meaning not in self._meanings:
            if len(self._meanings) >= REMEMBERED:
                self._meanings.clear()
            self._meanings[meaning] = self.raw(_alone(replace(sentence, terms=())))
        return self._meanings[meaning] + self._sum(term_values(_alone(sentence)))

    def contributions(self, reading: Reading) -> list[tuple[str, Scores]]:
        """Every known feature of the reading with what it adds to each label's raw score."""
        row, matrix = self._row, self._matrix
        return [(name, matrix[row[name]] * np.float32(value)) for name, value in vector(reading).items() if name in row]

    def probabilities(self, raw: Scores) -> dict[str, float]:
        """Calibrated probability per label."""
        return {label: calibrated(float(raw[k]), self.decisions[label]) for k, label in enumerate(LABELS)}

    def _sum(self, values: dict[str, float]) -> Scores:
        row, nowhere = self._row, len(self._row)
        rows = np.fromiter(map(row.get, values, repeat(nowhere)), dtype=np.intp, count=len(values))
        numbers = np.fromiter(values.values(), dtype=np.float32, count=len(values))
        return np.asarray(numbers @ self._matrix[rows])


def _alone(sentence: Sentence) -> Reading:
    return Reading(title=_NOTHING, body=(sentence,), lead_signals=sentence.signals)


_NOTHING = Sentence(span=(0, 0), terms=(), concepts=())


def calibrated(raw: float, decision: Decision) -> float:
    """Platt scaling below a ceiling: logistic of an affine function of the raw score, times the ceiling."""
    affine = max(-40.0, min(40.0, decision.slope * raw + decision.offset))
    return decision.ceiling / (1.0 + math.exp(-affine))
