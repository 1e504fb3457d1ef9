"""Fits the linear model to rows: features in, one weight per feature and label out. Deterministic."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression

from incidentwire.labels import LABELS
from services.classifier.labelling.analyzed_text import AnalyzedText, analyze, parts
from services.classifier.labelling.features import kind_of, vector
from services.classifier.labelling.lexicon import Lexicon
from services.classifier.training.corpus import CorpusRow

Floats = NDArray[np.float64]

MIN_ROWS = 2  # a feature seen in a single row says something about that row only
REGULARISATION_C = 1.0
# How strongly each kind of feature is believed before seeing data: words are unit vectors, concepts many and alike.
# A signal in any sentence at all ("a") says little: an essay touches on many things.
BLOCK_SCALE = {
    **dict.fromkeys("wWzZ", 3.0),
    **dict.fromkeys("cCL", 0.1),
    **{"d": 0.3, "s": 1.0, "e": 1.0, "n": 0.5, "a": 0.3},
}
# The corpus is richer than the wire in positives told in a roundabout way (a writer's ambition); left at full weight
# they teach that anything may be a leak. A positive that no signal supports counts this much.
OBLIQUE_WEIGHT = 0.15
FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class Example:
    """A row as the model sees it; `signals` are the labels that the lexicon sees in it."""

    row: CorpusRow
    values: dict[str, float]
    signals: frozenset[str]
    sentences: tuple[
        dict[str, float], ...
    ] = ()  # the same features, of each sentence by itself


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """`matrix`: features x labels; `bias`: one per label."""

    features: tuple[str, ...]
    matrix: Floats
    bias: Floats

    def raw(self, examples: Sequence[Example]) -> Floats:
        """Raw scores, examples x labels."""
        index = {feature: column for column, feature in enumerate(self.features)}
        return np.asarray(
            _matrix(examples, index, scaled=False) @ self.matrix + self.bias
        )


def prepare(
    rows: Sequence[CorpusRow], lexicon: Lexicon, *, by_sentence: bool = False
) -> list[Example]:
    """`by_sentence` fills Example.sentences, which only the multiple-instance family needs."""
    return [
        _example(row, analyze(row.title, row.text, lexicon), by_sentence)
        for row in rows
    ]


def _example(row: CorpusRow, reading: AnalyzedText, by_sentence: bool) -> Example:
    sentences = (reading.title, *reading.body)
    signals = frozenset(reading.lead_signals).union(
        *(sentence.signals for sentence in sentences)
    )
    alone = (
        tuple(map(vector, parts(reading, (one.span for one in reading.body))))
        if by_sentence
        else ()
    )
    return Example(row=row, values=vector(reading), signals=signals, sentences=alone)


def targets(examples: Sequence[Example]) -> NDArray[np.int8]:
    """1 where a label applies: examples x labels."""
    return np.array(
        [[label in example.row.labels for label in LABELS] for example in examples],
        dtype=np.int8,
    )


def label_weights(examples: Sequence[Example], row_weights: Floats) -> Floats:
    """Examples x labels: the row's weight, less where it is an oblique positive of that label."""
    weights = np.repeat(row_weights[:, None], len(LABELS), axis=1)
    for i, example in enumerate(examples):
        for k, label in enumerate(LABELS):
            if label in example.row.labels and label not in example.signals:
                weights[i, k] *= OBLIQUE_WEIGHT
    return weights


def fit(examples: Sequence[Example], weights: Floats) -> Fitted:
    """`weights`: examples x labels."""
    seen = Counter(name for example in examples for name in example.values)
    features = tuple(sorted(name for name, rows in seen.items() if rows >= MIN_ROWS))
    data = _matrix(
        examples, {name: column for column, name in enumerate(features)}, scaled=True
    )
    scale = np.array([BLOCK_SCALE[kind_of(name)] for name in features])
    matrix, bias = np.zeros((len(features), len(LABELS))), np.zeros(len(LABELS))
    wanted = targets(examples)
    for k in range(len(LABELS)):
        model = LogisticRegression(
            C=REGULARISATION_C, solver="liblinear", max_iter=2_000, random_state=0
        )
        model.fit(data, wanted[:, k], sample_weight=weights[:, k])
        matrix[:, k], bias[k] = model.coef_[0] * scale, model.intercept_[0]
    return Fitted(features=features, matrix=matrix, bias=bias)


def out_of_fold(examples: Sequence[Example], weights: Floats) -> Floats:
    """Raw scores of every example by a model that has not seen it."""
    folds = np.array([fold_of(example.row.id) for example in examples])
    scores = np.zeros((len(examples), len(LABELS)))
    for fold in range(FOLDS):
        inside, outside = (
            np.flatnonzero(folds != fold).tolist(),
            np.flatnonzero(folds == fold).tolist(),
        )
        if outside:
            fitted = fit([examples[i] for i in inside], weights[inside])
            scores[outside] = fitted.raw([examples[i] for i in outside])
    return scores


def fold_of(row_id: str) -> int:
    return int(hashlib.sha256(row_id.encode()).hexdigest(), 16) % FOLDS


def _matrix(
    examples: Sequence[Example], index: dict[str, int], *, scaled: bool
) -> csr_matrix:
    starts, columns, numbers = [0], list[int](), list[float]()
    for example in examples:
        for name, value in sorted(example.values.items()):
            if name in index:
                columns.append(index[name])
                numbers.append(value * BLOCK_SCALE[kind_of(name)] if scaled else value)
        starts.append(len(columns))
    shape = (len(examples), len(index))
    return csr_matrix(
        (numbers, np.array(columns, np.int32), np.array(starts, np.int32)), shape=shape
    )
