"""Score texts by the linear model: one number per text and label."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from incidentwire.labels import LABELS
from services.classifier.labelling.analyzed_text import AnalyzedText, Sentence, untitled
from services.classifier.labelling.features import (
    Features,
    features,
    names_of,
    term_features,
)
from services.classifier.labelling.hashing import HASH_MASK
from services.classifier.labelling.model_file import Calibration, Weights

Scores = NDArray[np.float64]
_Names = tuple[tuple[str, ...], tuple[str, ...]]  # concepts, signals

_REMEMBERED = 20_000  # sets of names that meet in a sentence


class Scorer:
    """Scores with one set of weights. Immutable, except for a bounded cache."""

    def __init__(self, weights: Weights) -> None:
        self._bias = np.array(weights.bias)
        self._ids = np.append(weights.ids, np.iinfo(np.int64).max)
        self._matrix = weights.matrix
        self._known_names: dict[_Names, Scores] = {}

    def raw(self, texts: Sequence[AnalyzedText]) -> Scores:
        """Return raw scores (log-odds before calibration), texts x labels."""
        return self.of_features(features(texts))

    def of_features(self, found: Features) -> Scores:
        """Return the raw scores of texts by their features, texts x labels."""
        known, added = self._known(found)
        owners = found.owners[known]
        columns = [
            np.bincount(owners, weights=added[:, k], minlength=found.rows)
            for k in range(len(LABELS))
        ]
        return np.asarray(np.stack(columns, axis=1) + self._bias)

    def sentences(self, sentences: Sequence[Sentence]) -> Scores:
        """Return raw scores of sentences as documents of their own, sentences x labels."""
        names = [(one.concepts, one.signals) for one in sentences]
        added = np.array(self._scores_of(names))
        return np.asarray(added + self.of_features(term_features(sentences)))

    def contributions(
        self, text: AnalyzedText, terms: dict[int, str]
    ) -> list[tuple[int, str, Scores]]:
        """Return each known feature as kind-and-hash, name and what it adds per label.

        `terms` are the terms of the text by their hashes.
        """
        found = features([text])
        names = terms | names_of(text)
        known, added = self._known(found)
        return [
            (feature, names.get(feature & HASH_MASK, "?"), own)
            for feature, own in zip(found.ids[known].tolist(), added, strict=True)
            if own.any()
        ]

    def _known(self, found: Features) -> tuple[NDArray[np.intp], Scores]:
        """Return the indices of the features in the model, and what each adds per label."""
        at = np.searchsorted(self._ids, found.ids)
        known = np.flatnonzero(self._ids[at] == found.ids)
        weights = np.take(self._matrix, at[known], axis=0)
        return known, np.asarray(weights * found.values[known, None])

    def _scores_of(self, names: Sequence[_Names]) -> list[Scores]:
        """Return what the names in each sentence add to its raw scores.

        New sets of names are scored together, each as a sentence of its own.
        """
        if len(self._known_names) > _REMEMBERED:
            self._known_names.clear()
        known = self._known_names
        new = sorted({one for one in names if one not in known})
        if new:
            alone = [Sentence(concepts=own, signals=signals) for own, signals in new]
            raw = self.raw([untitled((one,)) for one in alone])
            known.update(zip(new, raw - self._bias, strict=True))
        return [known[one] for one in names]


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
