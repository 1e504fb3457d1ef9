"""From raw scores to probabilities, thresholds and bands of doubt.

All of it is fitted on real texts, to scores of models that had not seen their publisher.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from incidentwire.labels import LABELS
from services.classifier.labelling.model_file import LANGUAGES, Calibration, Decisions
from services.classifier.labelling.scoring import calibrated

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Of the training texts. People have time for 0.15 of a wire, which has less doubt.
# Chinese publishers differ more in their share of doubt (3 to 30 %), so theirs is lower.
REVIEWED_SHARE = {"en": 0.18, "zh": 0.14}
# At 0.5 a review gains most on the validation texts (1 is F1 as it is, 0 leaves out how
# rare a label is).
RARITY = 0.5
# F1 is measured at these thresholds, and smoothed over neighbours.
GRID = np.arange(0.1, 0.9, 0.02)
SMOOTHED = 5


def decide(
    raw: Floats, wanted: Flags, languages: NDArray[np.str_]
) -> dict[str, Decisions]:
    """Return the decisions of each language; arrays are texts x labels, and texts."""
    return {
        language: _decide(
            raw[languages == language],
            wanted[languages == language],
            REVIEWED_SHARE[language],
        )
        for language in LANGUAGES
    }


def _decide(raw: Floats, wanted: Flags, reviewed: float) -> Decisions:
    scaled = [_scaling(raw[:, k], wanted[:, k]) for k in range(len(LABELS))]
    probability = np.stack(
        [_logistic(raw[:, k], *scaled[k]) for k in range(len(LABELS))], axis=1
    )
    thresholds = [
        _threshold(probability[:, k], wanted[:, k]) for k in range(len(LABELS))
    ]
    bands = _bands(probability, wanted, np.array(thresholds), reviewed)
    return {
        label: Calibration(
            slope=scaled[k][0],
            offset=scaled[k][1],
            threshold=thresholds[k],
            low=bands[k][0],
            high=bands[k][1],
        )
        for k, label in enumerate(LABELS)
    }


def _scaling(raw: Floats, wanted: Flags) -> tuple[float, float]:
    """Return slope and offset by Platt scaling."""
    platt = LogisticRegression(C=10.0, solver="lbfgs", max_iter=1_000)
    platt.fit(raw.reshape(-1, 1), wanted)
    return round(float(platt.coef_[0, 0]), 6), round(float(platt.intercept_[0]), 6)


def _logistic(raw: Floats, slope: float, offset: float) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-(slope * raw + offset))))


def _threshold(probability: Floats, wanted: Flags) -> float:
    """Return the threshold: halfway between the best one here and theory's.

    F1 of calibrated probabilities is highest at half its highest value (Lipton, Elkan
    and Narayanaswamy 2014). The best one of a few hundred texts is partly chance, and
    mostly too low for texts that were not chosen for doubt.
    """
    scores = np.array([f1(probability >= one, wanted) for one in GRID])
    padded = np.pad(scores, SMOOTHED // 2, mode="edge")
    smoothed = np.convolve(padded, np.ones(SMOOTHED) / SMOOTHED, mode="valid")
    best = float(GRID[int(smoothed.argmax())])
    return round((best + float(smoothed.max()) / 2.0) / 2.0, 2)


def _bands(
    probability: Floats, wanted: Flags, thresholds: Floats, reviewed: float
) -> list[tuple[float, float]]:
    """Return the band of doubt of each label: low, high.

    A text goes to review for what a right answer is expected to add to the mean F1.
    With F1 = 2 * right / (given + wanted), an added label gains 2 - F1 and a removed
    one F1, over given + wanted. So a rare label has a wider band. The power RARITY of
    that number is taken, for the shares of labels differ from wire to wire. A share
    `reviewed` of the texts have a label within its band.
    """
    given = probability >= thresholds
    counts = np.maximum(given.sum(axis=0) + wanted.sum(axis=0), 1)
    scores = np.array([f1(given[:, k], wanted[:, k]) for k in range(len(LABELS))])
    added = (2.0 - scores) / counts**RARITY
    removed = scores / counts**RARITY
    gains = np.where(given, (1.0 - probability) * removed, probability * added)
    least = float(np.quantile(gains.max(axis=1), 1.0 - reviewed))
    low = np.minimum(least / added, thresholds)
    high = np.maximum(1.0 - least / np.maximum(removed, 1e-9), thresholds)
    return [
        (round(float(one), 3), round(float(other), 3))
        for one, other in zip(low, high, strict=True)
    ]


def probabilities(
    raw: Floats, languages: NDArray[np.str_], decisions: dict[str, Decisions]
) -> Floats:
    """Return the calibrated probabilities of raw scores, texts x labels."""
    return np.array(
        [
            [
                calibrated(float(own[k]), decisions[language][label])
                for k, label in enumerate(LABELS)
            ]
            for own, language in zip(raw, languages.tolist(), strict=True)
        ]
    )


def f1(assigned: Flags, wanted: Flags) -> float:
    """Return F1; 0 if no label is assigned or wanted."""
    total = int(assigned.sum() + wanted.sum())
    return 2.0 * int((assigned & wanted).sum()) / total if total else 0.0


def calibration_error(probability: Floats, wanted: Flags, bins: int = 10) -> float:
    """Return the expected calibration error over equal bins."""
    place = np.minimum((probability * bins).astype(int), bins - 1)
    error = 0.0
    for number in range(bins):
        inside = place == number
        error += abs(float((probability - wanted)[inside].sum()))
    return error / len(probability)


def assigned(
    probability: Floats, languages: NDArray[np.str_], decisions: dict[str, Decisions]
) -> Flags:
    """Return the labels assigned at these probabilities, texts x labels."""
    thresholds = {
        language: [own[label].threshold for label in LABELS]
        for language, own in decisions.items()
    }
    return np.asarray(
        probability >= np.array([thresholds[one] for one in languages.tolist()])
    )
