"""Score texts by the linear model: one number per text and label."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from incidentwire.labels import LABELS
from services.classifier.labelling.analyzed_text import AnalyzedText, Sentence, untitled
from services.classifier.labelling.features import (
    HASH_MASK,
    Features,
    features,
    names_of,
)
from services.classifier.labelling.model_file import Calibration, Weights

Scores = NDArray[np.float64]


class Scorer:
    """Scores with one set of weights. Immutable."""

    def __init__(self, weights: Weights) -> None:
        self._bias = np.array(weights.bias)
        self._ids = np.append(weights.ids, np.iinfo(np.int64).max)
        # One row of zeros more, for features that the model does not know.
        unknown = np.zeros((1, len(LABELS)), dtype=np.float32)
        self._matrix = np.vstack([weights.matrix, unknown])

    def raw(self, texts: Sequence[AnalyzedText]) -> Scores:
        """Return raw scores (log-odds before calibration), texts x labels."""
        return self.of_features(features(texts))

    def of_features(self, found: Features) -> Scores:
        """Return the raw scores of texts by their features, texts x labels."""
        added = self._weights_of(found)
        columns = [
            np.bincount(found.owners, weights=added[:, k], minlength=found.rows)
            for k in range(len(LABELS))
        ]
        return np.asarray(np.stack(columns, axis=1) + self._bias)

    def sentences(self, sentences: Sequence[Sentence]) -> Scores:
        """Return raw scores of sentences as documents of their own, sentences x labels."""
        return self.raw([untitled((one,)) for one in sentences])

    def contributions(self, text: AnalyzedText) -> list[tuple[int, str, Scores]]:
        """Return each known feature as kind-and-hash, name and what it adds per label."""
        found = features([text])
        names = names_of(text)
        added = self._weights_of(found)
        return [
            (feature, names.get(feature & HASH_MASK, "?"), own)
            for feature, own in zip(found.ids.tolist(), added, strict=True)
            if own.any()
        ]

    def _weights_of(self, found: Features) -> Scores:
        at = np.searchsorted(self._ids, found.ids)
        rows = np.where(self._ids[at] == found.ids, at, len(self._matrix) - 1)
        weights = np.take(self._matrix, rows, axis=0)
        return np.asarray(weights * found.values[:, None])


def calibrated(raw: float, decision: Calibration) -> float:
    """Return the probability of a raw score: a logistic of an affine function of it."""
    affine = max(-40.0, min(40.0, decision.slope * raw + decision.offset))
    return 1.0 / (1.0 + math.exp(-affine))


def probabilities(raw: Scores, decisions: dict[str, Calibration]) -> dict[str, float]:
    """Return the calibrated probability of each label, from one row of raw scores."""
    return {
        label: calibrated(float(raw[k]), decisions[label])
        for k, label in enumerate(LABELS)
    }
