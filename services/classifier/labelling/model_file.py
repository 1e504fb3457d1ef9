"""The model file: weights, calibration and thresholds in one npz without pickles.

The same model gives the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from incidentwire.labels import LABELS

WEIGHTS_FILE = "weights.npz"
LEXICON_FILE = "lexicon.toml"
LANGUAGES = ("en", "zh")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How a raw score becomes an answer: p = 1 / (1 + exp(-(slope * raw + offset))).

    p >= threshold assigns the label; low <= p < high asks for a review.
    """

    slope: float
    offset: float
    threshold: float
    low: float
    high: float


Decisions = dict[str, Calibration]  # by label


@dataclass(frozen=True, kw_only=True)
class Weights:
    """The linear model.

    `ids` are the features that it knows, ascending (see features.py); `matrix` is
    features x labels (float32); `bias` has one number per label; `decisions` are by
    language. `lexicon` is the digest of the lexicon that it was trained with.
    """

    version: str
    lexicon: str
    ids: NDArray[np.int64]
    matrix: NDArray[np.float32]
    bias: tuple[float, ...]
    decisions: dict[str, Decisions]


def save(weights: Weights, path: Path) -> None:
    """Write the model file."""
    meta = {
        "version": weights.version,
        "lexicon": weights.lexicon,
        "bias": weights.bias,
        "decisions": {
            language: {label: asdict(one) for label, one in decisions.items()}
            for language, decisions in weights.decisions.items()
        },
    }
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            ids=weights.ids.astype(np.uint32),
            matrix=weights.matrix.astype(np.float16),
            meta=np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8),
        )


def load(path: Path) -> Weights:
    """Read the model file.

    Raises OSError if it is missing, ValueError or KeyError if it is not such a model.
    """
    with np.load(path, allow_pickle=False) as arrays:
        ids = arrays["ids"].astype(np.int64)
        matrix = arrays["matrix"].astype(np.float32)
        meta = json.loads(arrays["meta"].tobytes())
    if matrix.shape != (len(ids), len(LABELS)):
        raise ValueError(
            f"{path} holds {matrix.shape} weights for {len(ids)} features and"
            f" {len(LABELS)} labels. Train the model again: make train"
        )
    return Weights(
        version=meta["version"],
        lexicon=meta["lexicon"],
        ids=ids,
        matrix=matrix,
        bias=tuple(meta["bias"]),
        decisions={
            language: {label: Calibration(**one) for label, one in decisions.items()}
            for language, decisions in meta["decisions"].items()
        },
    )
