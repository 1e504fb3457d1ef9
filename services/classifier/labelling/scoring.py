"""The linear model at work: a document's score per label, and which of its sentences made it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from incidentwire.labels import LABELS
from services.classifier.labelling.analyzed_text import AnalyzedText, Sentence, untitled
from services.classifier.labelling.concept_scores import ConceptScores
from services.classifier.labelling.features import vector
from services.classifier.labelling.model_file import Calibration, Weights
from services.classifier.labelling.term_scores import TermScores

Scores = NDArray[np.float64]

REMEMBERED = 20_000  # what sentences may mean; past it the memory starts anew


class Scorer:
    """Scores readings with one set of weights; holds no state besides them and a bounded memory."""

    def __init__(self, weights: Weights) -> None:
        self.decisions: dict[str, Calibration] = weights.decisions
        self._bias = np.array(weights.bias)
        self._matrix = weights.matrix
        self._rows: dict[str, dict[str, int]] = {}  # kind of feature -> name -> row
        for row, feature in enumerate(weights.features):
            kind, _, name = feature.rpartition(":")
            self._rows.setdefault(kind, {})[name] = row
        self._terms = TermScores(self._rows, weights.matrix)
        self._meaning = ConceptScores(self._rows, weights.matrix)
        self._meanings: dict[
            tuple[tuple[str, ...], tuple[str, ...]], Scores
        ] = {}  # of sentences without their terms

    def raw(self, readings: Sequence[AnalyzedText]) -> Scores:
        """Raw scores (log-odds before calibration): readings x labels."""
        scores: Scores = (
            self._meaning.scores(readings) + self._terms.scores(readings) + self._bias
        )
        return scores

    def sentences(self, sentences: Sequence[Sentence]) -> Scores:
        """Raw scores of sentences, each read as if it were the whole document: sentences x labels."""
        meanings = np.array([self._meaning_of(sentence) for sentence in sentences])
        scores: Scores = (
            meanings
            + self._terms.scores([untitled((one,)) for one in sentences])
            + self._bias
        )
        return scores

    def contributions(self, reading: AnalyzedText) -> list[tuple[str, Scores]]:
        """Every known feature of the reading with what it adds to each label's raw score."""
        found = []
        for feature, value in vector(reading).items():
            kind, _, name = feature.rpartition(":")
            row = self._rows.get(kind, {}).get(name)
            if row is not None:
                found.append((feature, self._matrix[row] * np.float32(value)))
        return found

    def probabilities(self, raw: Scores) -> dict[str, float]:
        """Calibrated probability per label."""
        return {
            label: calibrated(float(raw[k]), self.decisions[label])
            for k, label in enumerate(LABELS)
        }

    def _meaning_of(self, sentence: Sentence) -> Scores:
        """What concepts and signals of a single sentence add; remembered."""
        meaning = (sentence.concepts, sentence.signals)
        if meaning not in self._meanings:
            if len(self._meanings) >= REMEMBERED:
                self._meanings.clear()
            self._meanings[meaning] = self._meaning.scores([untitled((sentence,))])[0]
        return self._meanings[meaning]


def calibrated(raw: float, decision: Calibration) -> float:
    """Platt scaling below a ceiling: logistic of an affine function of the raw score, times the ceiling."""
    affine = max(-40.0, min(40.0, decision.slope * raw + decision.offset))
    return decision.ceiling / (1.0 + math.exp(-affine))
