"""Writes the model card: the words from card_template.md, every figure from the training run itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

import numpy as np
from numpy.typing import NDArray

from incidentwire.labels import LABELS
from services.classifier.labelling.model_file import Calibration, Weights
from services.classifier.training.ablation import AblationResult
from services.classifier.training.calibrating import probabilities, weighted_f1
from services.classifier.training.corpus import CorpusRow
from services.classifier.training.fitting import Floats
from services.classifier.training.golden import Figures

TEMPLATE_FILE = Path(__file__).parent / "card_template.md"
CARD_FILE = "MODEL_CARD.md"
SHORT_CHARS = 600
BINS = 10


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Out-of-fold raw scores of the training rows with what was wanted and what each counts; all rows x labels."""

    rows: Sequence[CorpusRow]
    raw: Floats
    wanted: NDArray[np.int8]
    weights: Floats


def card(
    model: Weights,
    validation: Validation,
    golden: dict[str, Figures],
    outcomes: Sequence[AblationResult],
) -> str:
    parts = {
        "version": model.version,
        "features": f"{len(model.features):,}",
        "data": _data(validation.rows),
        "validation": _validation(model, validation),
        "golden": _golden(golden),
        "ablation": _ablation(outcomes),
        "decisions": _decisions(model),
    }
    return Template(TEMPLATE_FILE.read_text(encoding="utf-8")).substitute(parts)


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *lines))


def _data(rows: Sequence[CorpusRow]) -> str:
    lines = []
    for language in ("en", "zh"):
        inside = [row for row in rows if row.lang == language]
        counts = Counter(label for row in inside for label in row.labels)
        lines.append(
            [
                language,
                str(len(inside)),
                *(str(counts[label]) for label in LABELS),
                str(sum(not row.labels for row in inside)),
                str(sum(len(row.labels) > 1 for row in inside)),
                str(sum(len(row.text) >= SHORT_CHARS for row in inside)),
            ]
        )
    return table(
        [
            "language",
            "rows",
            *LABELS,
            "none",
            "several labels",
            f"{SHORT_CHARS} characters or more",
        ],
        lines,
    )


def _validation(model: Weights, validation: Validation) -> str:
    lines = []
    for language in ("en", "zh"):
        inside = np.flatnonzero([row.lang == language for row in validation.rows])
        for k, label in enumerate(LABELS):
            if len(inside):
                lines.append(
                    _line(
                        model.decisions[label],
                        validation,
                        inside,
                        k,
                        f"{language} {label}",
                    )
                )
    head = [
        "",
        "F1, short",
        "F1, long",
        "F1, all",
        "F1, all rows equal",
        "calibration error",
    ]
    return table(head, lines)


def _line(
    decision: Calibration,
    validation: Validation,
    inside: NDArray[np.intp],
    k: int,
    name: str,
) -> list[str]:
    probability = probabilities(validation.raw[inside, k], decision)
    wanted, weights = validation.wanted[inside, k], validation.weights[inside, k]
    long = np.array(
        [len(validation.rows[i].text) >= SHORT_CHARS for i in inside.tolist()]
    )
    said = probability >= decision.threshold
    scores = [
        weighted_f1(said[part], wanted[part], weights[part])
        for part in (~long, long, long | ~long)
    ]
    equal = weighted_f1(said, wanted, np.ones(len(inside)))
    error = calibration_error(probability, wanted, weights)
    return [name, *(f"{score:.2f}" for score in scores), f"{equal:.2f}", f"{error:.3f}"]


def calibration_error(
    probability: Floats, wanted: NDArray[np.int8], weights: Floats
) -> float:
    """Expected calibration error over BINS equal bins, rows counted by weight."""
    error = 0.0
    place = np.minimum((probability * BINS).astype(int), BINS - 1)
    for number in range(BINS):
        inside = place == number
        total = float(weights[inside].sum())
        if total:
            error += abs(
                float((weights * (probability - wanted))[inside].sum())
            ) / float(weights.sum())
    return error


def _golden(figures: dict[str, Figures]) -> str:
    lines = [
        [
            name,
            f"{one.precision:.2f}",
            f"{one.recall:.2f}",
            f"{one.f1:.2f}",
            str(one.rows),
        ]
        for name, one in figures.items()
    ]
    return table(["", "precision", "recall", "F1", "positives"], lines)


def _ablation(outcomes: Sequence[AblationResult]) -> str:
    lines = [
        [
            one.family,
            f"{one.english_weighted:.3f}",
            f"{one.chinese_weighted:.3f}",
            f"{one.english:.3f}",
            f"{one.chinese:.3f}",
        ]
        for one in outcomes
    ]
    return table(
        ["family", "en", "zh", "en, all rows equal", "zh, all rows equal"], lines
    )


def _decisions(model: Weights) -> str:
    lines = [
        [label, f"{one.threshold:.2f}", f"{one.low:.2f} – {one.high:.2f}"]
        for label, one in model.decisions.items()
    ]
    return table(["", "threshold", "review between"], lines)
