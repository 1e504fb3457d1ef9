"""Families that were tried beside the kept one; they run in the ablation only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import LogisticRegression

from incidentwire.labels import LABELS
from services.classifier.training.fitting import (
    FOLDS,
    Example,
    Fitted,
    Floats,
    fit,
    fold_of,
    targets,
)

DIMENSIONS = 100
MIN_WORD_ROWS = 3
ROUNDS = 2


def instance_scores(examples: Sequence[Example], weights: Floats) -> Floats:
    """Multiple-instance: a text is as good as its best sentence, and only that sentence is learned from."""
    folds = np.array([fold_of(example.row.id) for example in examples])
    scores = np.zeros_like(weights)
    for fold in range(FOLDS):
        inside, outside = (
            np.flatnonzero(folds != fold).tolist(),
            np.flatnonzero(folds == fold).tolist(),
        )
        own = [examples[i] for i in inside]
        fitted = fit(own, weights[inside])
        for _ in range(ROUNDS):
            fitted = fit([_best(fitted, example) for example in own], weights[inside])
        for i in outside:
            scores[i] = fitted.raw(_sentences(examples[i])).max(axis=0)
    return scores


def _sentences(example: Example) -> list[Example]:
    return [
        replace(example, values=values, sentences=()) for values in example.sentences
    ] or [example]


def _best(fitted: Fitted, example: Example) -> Example:
    """The sentence that speaks most for the labels of the text; of a text without label, for any."""
    candidates = _sentences(example)
    columns = [
        k for k, label in enumerate(LABELS) if label in example.row.labels
    ] or list(range(len(LABELS)))
    return candidates[int(fitted.raw(candidates)[:, columns].max(axis=1).argmax())]


def cooccurrence_scores(examples: Sequence[Example], weights: Floats) -> Floats:
    """Words as vectors of the company they keep (positive PMI, reduced), a text as their mean."""
    vectors = _text_vectors(examples)
    wanted, folds = (
        targets(examples),
        np.array([fold_of(example.row.id) for example in examples]),
    )
    scores = np.zeros_like(weights)
    for fold in range(FOLDS):
        inside, outside = folds != fold, folds == fold
        for k in range(len(LABELS)):
            model = LogisticRegression(C=10.0, max_iter=2_000)
            model.fit(
                vectors[inside], wanted[inside, k], sample_weight=weights[inside, k]
            )
            scores[outside, k] = model.decision_function(vectors[outside])
    return scores


def _text_vectors(examples: Sequence[Example]) -> Floats:
    """Rows x DIMENSIONS; the vectors are learned from the words of all rows, without their labels."""
    seen = Counter(name for example in examples for name in example.values)
    index = {
        name: i
        for i, name in enumerate(
            sorted(n for n, rows in seen.items() if rows >= MIN_WORD_ROWS)
        )
    }
    rows, columns = [], []
    for i, example in enumerate(examples):
        known = [index[name] for name in example.values if name in index]
        rows += [i] * len(known)
        columns += known
    shape = (len(examples), len(index))
    present = csr_matrix(
        (np.ones(len(rows)), (np.array(rows, np.int32), np.array(columns, np.int32))),
        shape=shape,
    )
    together = (present.T @ present).tocoo()
    count = np.asarray(present.sum(axis=0)).ravel()
    pmi = np.log(
        together.data * len(examples) / (count[together.row] * count[together.col])
    )
    positive = csr_matrix(
        (np.maximum(pmi, 0.0), (together.row, together.col)), shape=together.shape
    )
    words = TruncatedSVD(n_components=DIMENSIONS, random_state=0).fit_transform(
        positive
    )
    lengths = np.maximum(np.asarray(present.sum(axis=1)), 1.0)
    texts = np.asarray(present @ words) / lengths
    return np.asarray(texts / np.maximum(texts.std(axis=0), 1e-9))
