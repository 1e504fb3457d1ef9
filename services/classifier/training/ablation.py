"""What each family of features is worth: the same rows and folds, one part changed at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from incidentwire.labels import LABELS
from services.classifier.labelling.features import kind_of
from services.classifier.training.calibrating import (
    decide,
    prior_weights,
    probabilities,
    weighted_f1,
)
from services.classifier.training.fitting import (
    Example,
    Floats,
    label_weights,
    out_of_fold,
    targets,
)
from services.classifier.training.other_families import (
    cooccurrence_scores,
    instance_scores,
)

THRESHOLDS = np.arange(0.5, 0.995, 0.01)  # quantiles of the probabilities
Kinds = str  # the first letters of the features that stay, see features.py


@dataclass(frozen=True, kw_only=True)
class AblationResult:
    """F1 of a family, averaged over the labels: of all rows, and weighted as in training (see OBLIQUE_WEIGHT)."""

    family: str
    english: float
    chinese: float
    english_weighted: float
    chinese_weighted: float


FEATURE_FAMILIES: tuple[tuple[str, Kinds], ...] = (
    ("words and characters", "wWzZ"),
    ("signals of the lexicon", "saen"),
    ("concepts of the lexicon, alone and in pairs", "cCLd"),
    ("words + signals", "wWzZsaen"),
    ("words + concepts", "wWzZcCLd"),
    ("words + concepts + signals (kept)", "wWzZcCLdsaen"),
    ("the same without title and lead", "wzcdan"),
)


def compare(examples: Sequence[Example]) -> list[AblationResult]:
    """Every family on the same folds."""
    weights = label_weights(examples, prior_weights(targets(examples)))
    outcomes = [
        _outcome(
            family,
            examples,
            weights,
            lambda inside, own: out_of_fold(inside, own),
            kinds,
        )
        for family, kinds in FEATURE_FAMILIES
    ]
    outcomes.append(
        _outcome("kept, a model per language", examples, weights, _per_language)
    )
    outcomes.append(
        _outcome(
            "best sentence (multiple-instance)",
            examples,
            weights,
            instance_scores,
            "wzcdsa",
        )
    )
    outcomes.append(
        _outcome(
            "co-occurrence vectors", examples, weights, cooccurrence_scores, "wWzZ"
        )
    )
    return outcomes


def _outcome(
    family: str,
    examples: Sequence[Example],
    weights: Floats,
    score: Callable[[Sequence[Example], Floats], Floats],
    kinds: Kinds = "wWzZcCLdsaen",
) -> AblationResult:
    raw = score([keep(example, kinds) for example in examples], weights)
    even = np.ones_like(weights)
    return AblationResult(
        family=family,
        english=_f1(raw, examples, weights, even, "en"),
        chinese=_f1(raw, examples, weights, even, "zh"),
        english_weighted=_f1(raw, examples, weights, weights, "en"),
        chinese_weighted=_f1(raw, examples, weights, weights, "zh"),
    )


def keep(example: Example, kinds: Kinds) -> Example:
    """The example with only the features of these kinds."""
    values = {
        name: value for name, value in example.values.items() if kind_of(name) in kinds
    }
    sentences = tuple(
        {n: v for n, v in one.items() if n[0] in kinds} for one in example.sentences
    )
    return replace(example, values=values, sentences=sentences)


def _per_language(examples: Sequence[Example], weights: Floats) -> Floats:
    raw = np.zeros_like(weights)
    for language in ("en", "zh"):
        inside = rows_of(examples, language)
        raw[inside] = out_of_fold(
            [examples[i] for i in inside.tolist()], weights[inside]
        )
    return raw


def rows_of(examples: Iterable[Example], language: str) -> NDArray[np.intp]:
    return np.flatnonzero([example.row.lang == language for example in examples])


def _f1(
    raw: Floats,
    examples: Sequence[Example],
    weights: Floats,
    counted: Floats,
    language: str,
) -> float:
    """Each label at its best threshold, so that no family loses by its calibration."""
    inside = rows_of(examples, language)
    wanted = targets(examples)
    decisions = decide(raw, wanted, weights)
    values = []
    for k, label in enumerate(LABELS):
        said = probabilities(raw[inside, k], decisions[label])
        grid = np.quantile(said, THRESHOLDS) if len(inside) else np.zeros(1)
        values.append(
            max(
                weighted_f1(said >= one, wanted[inside, k], counted[inside, k])
                for one in grid
            )
        )
    return float(np.mean(values))
