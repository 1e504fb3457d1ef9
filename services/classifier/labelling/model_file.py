"""The model file: weights, calibration and thresholds in one npz without pickles, the same bytes for the same model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from incidentwire.labels import LABELS

WEIGHTS_FILE = "weights.npz"
LEXICON_FILE = "lexicon.toml"


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How a label's raw score becomes an answer: p = ceiling / (1 + exp(-(slope * raw + offset))).

    p >= threshold is the label; low <= p < high is doubt, and asks for a review.
    """

    slope: float
    offset: float
    ceiling: float
    threshold: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Weights:
    """`matrix` is features x labels (float32); `bias` has one number per label."""

    version: str
    features: tuple[str, ...]
    matrix: NDArray[np.float32]
    bias: tuple[float, ...]
    decisions: dict[str, Calibration]


def save(weights: Weights, path: Path) -> None:
    meta = {
        "version": weights.version,
        "bias": weights.bias,
        "decisions": {
            label: asdict(decision) for label, decision in weights.decisions.items()
        },
    }
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            features=_bytes("\n".join(weights.features)),
            matrix=weights.matrix.astype(np.float32),
            meta=_bytes(json.dumps(meta, sort_keys=True)),
        )


def load(path: Path) -> Weights:
    """Raises OSError when the file is missing, ValueError or KeyError when it is not a model of this format."""
    with np.load(path, allow_pickle=False) as arrays:
        features = tuple(arrays["features"].tobytes().decode().split("\n"))
        matrix = np.asarray(arrays["matrix"], dtype=np.float32)
        meta = json.loads(arrays["meta"].tobytes())
    if matrix.shape != (len(features), len(LABELS)):
        raise ValueError(
            f"{path}: {matrix.shape} weights for {len(features)} features and {len(LABELS)} labels"
        )
    return Weights(
        version=meta["version"],
        features=features,
        matrix=matrix,
        bias=tuple(meta["bias"]),
        decisions={
            label: Calibration(**numbers)
            for label, numbers in meta["decisions"].items()
        },
    )


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)
