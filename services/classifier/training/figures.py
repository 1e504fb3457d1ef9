"""Figures of predicted labels against those of readers, with their intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from incidentwire.labels import LABELS
from services.classifier.training.calibrating import calibration_error

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]

RESAMPLES = 1_000
SEED = 20_260_101


@dataclass(frozen=True, kw_only=True)
class LabelFigures:
    """Of one label: `strict` counts all texts, `lenient` none that readers doubt."""

    positives: int
    precision: float
    recall: float
    strict: float
    lenient: float
    calibration_error: float


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of all labels: mean F1, with the 95 % interval by resampling texts."""

    texts: int
    strict: float
    strict_interval: tuple[float, float]
    lenient: float
    lenient_interval: tuple[float, float]
    labels: dict[str, LabelFigures]


def measure(
    predicted: Flags, probability: Floats, wanted: Flags, doubted: Flags
) -> Figures:
    """Return the figures of predictions; all arrays are texts x labels."""
    counted = np.ones_like(wanted)
    texts = len(wanted)
    random = np.random.default_rng(SEED)
    drawn = [random.integers(0, texts, texts) for _ in range(RESAMPLES)]
    strict = [_mean_f1(predicted[at], wanted[at], counted[at]) for at in drawn]
    lenient = [_mean_f1(predicted[at], wanted[at], ~doubted[at]) for at in drawn]
    return Figures(
        texts=texts,
        strict=_mean_f1(predicted, wanted, counted),
        strict_interval=_interval(strict),
        lenient=_mean_f1(predicted, wanted, ~doubted),
        lenient_interval=_interval(lenient),
        labels={
            label: _of_label(
                predicted[:, k], probability[:, k], wanted[:, k], doubted[:, k]
            )
            for k, label in enumerate(LABELS)
        },
    )


def _of_label(
    predicted: Flags, probability: Floats, wanted: Flags, doubted: Flags
) -> LabelFigures:
    right = int((predicted & wanted).sum())
    scores = _f1s(
        predicted[:, None], wanted[:, None], np.ones((len(predicted), 1), dtype=bool)
    )
    lenient = _f1s(predicted[:, None], wanted[:, None], ~doubted[:, None])
    return LabelFigures(
        positives=int(wanted.sum()),
        precision=right / max(int(predicted.sum()), 1),
        recall=right / max(int(wanted.sum()), 1),
        strict=float(scores[0]),
        lenient=float(lenient[0]),
        calibration_error=calibration_error(probability, wanted),
    )


def _mean_f1(predicted: Flags, wanted: Flags, counted: Flags) -> float:
    return float(_f1s(predicted, wanted, counted).mean())


def _f1s(predicted: Flags, wanted: Flags, counted: Flags) -> Floats:
    """Return F1 per label, of the pairs that are counted; 0 for a label without any."""
    right = (predicted & wanted & counted).sum(axis=0)
    total = (predicted & counted).sum(axis=0) + (wanted & counted).sum(axis=0)
    return np.asarray(2.0 * right / np.maximum(total, 1))


def _interval(values: list[float]) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)
