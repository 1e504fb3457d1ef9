"""Fit the linear model to texts: one weight per feature and label. Deterministic.

Real texts teach beside the written corpus. Scores for calibration and for figures come
from models that have seen no text of the same publisher.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression

from incidentwire.labels import LABELS
from services.classifier.labelling.analyzed_text import analyze
from services.classifier.labelling.classifier import article
from services.classifier.labelling.features import (
    KINDS,
    SIGNAL,
    TERM_KINDS,
    Counts,
    count,
    weighed,
)
from services.classifier.labelling.hashing import HASH_BITS, HASH_MASK, hash_of
from services.classifier.labelling.lexicon import Lexicon
from services.classifier.labelling.model_file import LANGUAGES
from services.classifier.training.corpus import CorpusRow
from services.classifier.training.real_texts import (
    FOLDER,
    TEACH,
    TEACH_ONLY,
    joined,
    load_counts,
    read_labels,
)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MIN_ROWS = 2  # a feature seen in a single row says something about that row only
MIN_PUBLISHERS = 2  # and a word of a single publisher about that publisher
REGULARISATION_C = 1.0
FOLDS = 5
WRITTEN = "written"  # the publisher of the corpus
CORRECTION = "correction"  # the genre of what people corrected: real texts
WRITTEN_WEIGHT = 0.25
# The corpus is richer than the world in positives told in a roundabout way. Left at full
# weight they teach that anything may be a leak: this is for those without a signal.
OBLIQUE_WEIGHT = 0.1
DOUBTED_WEIGHT = 0.3  # a label, given or not, that the readers of a real text doubt
# How much more a word may weigh that is found with a label more or less often than
# without it: a power of the log ratio (Wang and Manning 2012).
ASSOCIATION_POWER = 0.4


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """All texts with their features and labels; arrays are texts, or texts x labels."""

    counts: Counts
    wanted: Flags
    doubted: Flags
    languages: NDArray[np.str_]
    publishers: NDArray[np.str_]
    roles: NDArray[np.str_]

    def only(self, rows: Flags) -> Examples:
        """Return the examples of these rows."""
        number = np.cumsum(rows) - 1
        here = rows[self.counts.owners]
        counts = Counts(
            rows=int(rows.sum()),
            owners=number[self.counts.owners[here]],
            ids=self.counts.ids[here],
            counts=self.counts.counts[here],
            sentences=self.counts.sentences[rows],
        )
        return Examples(
            counts=counts,
            wanted=self.wanted[rows],
            doubted=self.doubted[rows],
            languages=self.languages[rows],
            publishers=self.publishers[rows],
            roles=self.roles[rows],
        )

    @property
    def written(self) -> Flags:
        """Which texts were written for training."""
        return np.asarray(self.publishers == WRITTEN)

    @property
    def real(self) -> Flags:
        """Which texts are news that teaches, and on which thresholds are fitted."""
        return np.asarray((self.roles == TEACH) & ~self.written)

    @property
    def others(self) -> Flags:
        """Which real texts teach, but are no measure of news."""
        return np.asarray(self.roles == TEACH_ONLY)

    @property
    def teaching(self) -> Flags:
        """Which texts teach, written or real."""
        return self.written | self.real | self.others

    @property
    def validating(self) -> Flags:
        """Which texts are for validation only."""
        return ~self.teaching


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """`ids`: the features, ascending; `matrix`: features x labels; `bias`: labels."""

    ids: NDArray[np.int64]
    matrix: Floats
    bias: Floats


def prepare(
    rows: Sequence[CorpusRow], lexicon: Lexicon, folder: Path = FOLDER
) -> Examples:
    """Return the written rows followed by the real texts of all languages."""
    texts = [analyze(row.title, article(row.text), lexicon) for row in rows]
    publishers = [row.genre if row.genre == CORRECTION else WRITTEN for row in rows]
    real = [one for language in LANGUAGES for one in read_labels(language, folder)]
    counts = [load_counts(language, lexicon.digest, folder) for language in LANGUAGES]
    labels = [row.labels for row in rows] + [one.labels for one in real]
    doubted = [()] * len(rows) + [one.uncertain for one in real]
    return Examples(
        counts=joined([count(texts), *counts]),
        wanted=flags(labels),
        doubted=flags(doubted),
        languages=np.array([row.lang for row in rows] + [one.lang for one in real]),
        publishers=np.array(publishers + [one.publisher for one in real]),
        roles=np.array([TEACH] * len(rows) + [one.role for one in real]),
    )


def flags(labels: Sequence[Sequence[str]]) -> Flags:
    """Return which labels each text has, texts x labels."""
    return np.array([[label in own for label in LABELS] for own in labels], dtype=bool)


class Trainer:
    """Fits models to parts of the examples."""

    def __init__(self, examples: Examples) -> None:
        found = weighed(examples.counts)
        ids, columns = np.unique(found.ids, return_inverse=True)
        self._ids = ids
        self._scale = np.array([KINDS[kind].scale for kind in ids >> HASH_BITS])
        shape = (found.rows, len(ids))
        entries = (found.values, (found.owners, columns))
        self._values = csr_matrix(entries, shape=shape)
        self._examples = examples
        self._weights = label_weights(examples)
        self._sources = sources_of(examples.publishers)

    def fit(self, rows: Flags, kinds: Sequence[int] = range(len(KINDS))) -> Fitted:
        """Return the model of these rows with features of these kinds."""
        inside = np.flatnonzero(rows)
        data = self._values[inside]
        own = self._ids >> HASH_BITS
        seen = np.bincount(data.indices, minlength=len(self._ids)) >= MIN_ROWS
        shared = self._publishers_with(inside) >= MIN_PUBLISHERS
        seen &= shared | ~np.isin(own, TERM_KINDS)
        known = np.flatnonzero(seen & np.isin(own, kinds))
        data = data[:, known]
        is_word = np.isin(own[known], TERM_KINDS)
        matrix = np.zeros((len(known), len(LABELS)))
        bias = np.zeros(len(LABELS))
        for k in range(len(LABELS)):
            model = LogisticRegression(
                C=REGULARISATION_C,
                solver="liblinear",
                dual=True,
                tol=1e-2,
                max_iter=2_000,
                random_state=0,
            )
            wanted = self._examples.wanted[inside, k]
            weights = self._weights[inside, k]
            scale = self._scale[known]
            scale[is_word] *= associations(data[:, is_word], wanted, weights)
            model.fit(data.multiply(scale).tocsr(), wanted, sample_weight=weights)
            matrix[:, k] = model.coef_[0] * scale
            bias[k] = model.intercept_[0]
        return Fitted(ids=self._ids[known], matrix=matrix, bias=bias)

    def _publishers_with(self, inside: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return in texts of how many publishers each feature occurs."""
        data = self._values[inside]
        sources = np.repeat(self._sources[inside], np.diff(data.indptr))
        pairs = np.unique(sources * len(self._ids) + data.indices)
        return np.bincount(pairs % len(self._ids), minlength=len(self._ids))

    def raw(self, fitted: Fitted) -> Floats:
        """Return the raw scores of all examples, examples x labels."""
        columns = np.searchsorted(self._ids, fitted.ids)
        return np.asarray(self._values[:, columns] @ fitted.matrix + fitted.bias)

    def out_of_fold(
        self, rows: Flags, kinds: Sequence[int] = range(len(KINDS))
    ) -> Floats:
        """Return raw scores of the real texts by models without their publisher.

        `rows` are those that may teach. Rows of the corpus have no such score: NaN.
        """
        examples = self._examples
        folds = folds_of(examples.publishers, examples.real | examples.others)
        scores = np.full(examples.wanted.shape, np.nan)
        for fold in range(FOLDS):
            fitted = self.fit(rows & (folds != fold), kinds)
            scores[folds == fold] = self.raw(fitted)[folds == fold]
        return scores


def associations(data: csr_matrix, wanted: Flags, weights: Floats) -> Floats:
    """Return how closely each column goes with a label, 1 on average over its texts.

    `data` are texts x columns; `wanted` says which texts have the label. See
    ASSOCIATION_POWER.
    """
    present = (data > 0).T
    with_label = present @ (weights * wanted)
    without = present @ (weights * ~wanted)
    share = (with_label + 1.0) / (weights[wanted].sum() + 2.0)
    share_without = (without + 1.0) / (weights[~wanted].sum() + 2.0)
    power = np.abs(np.log(share / share_without)) ** ASSOCIATION_POWER
    return np.asarray(power / np.average(power, weights=with_label + without))


def sources_of(publishers: NDArray[np.str_]) -> NDArray[np.int64]:
    """Return a number for the publisher of each text; each correction has its own."""
    rows = np.arange(len(publishers)).astype(str)
    names = np.where(publishers == CORRECTION, rows, publishers)
    return np.asarray(np.unique(names, return_inverse=True)[1])


def label_weights(examples: Examples) -> Floats:
    """Return how much each text counts for each label, texts x labels."""
    found = examples.counts
    weights = np.where(examples.doubted, DOUBTED_WEIGHT, 1.0)
    for k, label in enumerate(LABELS):
        is_signal = found.ids == (SIGNAL << HASH_BITS | hash_of(label) & HASH_MASK)
        signalled = np.zeros(found.rows, dtype=bool)
        signalled[found.owners[is_signal]] = True
        oblique = examples.written & examples.wanted[:, k] & ~signalled
        weights[oblique, k] = OBLIQUE_WEIGHT
    weights[examples.written] *= WRITTEN_WEIGHT
    return np.asarray(weights)


def folds_of(publishers: NDArray[np.str_], real: Flags) -> NDArray[np.int64]:
    """Return a fold for each real text, -1 for others; no publisher is in two folds."""
    sizes = Counter(publishers[real].tolist())
    filled = [0] * FOLDS
    fold_of = {}
    for publisher, size in sorted(sizes.items(), key=lambda one: (-one[1], one[0])):
        fold = filled.index(min(filled))
        fold_of[publisher] = fold
        filled[fold] += size
    return np.array(
        [
            fold_of[publisher] if own else -1
            for publisher, own in zip(publishers.tolist(), real, strict=True)
        ]
    )
