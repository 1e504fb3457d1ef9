"""How an incident compares with a mention."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.classifier.linking.fingerprint_table import Integers

FULL = 10_000  # a similarity of 1


@dataclass(frozen=True, kw_only=True)
class Match:
    """How an incident compares with a mention. `score` is 0 to FULL; `copy` says that the text is one of its texts;
    `shared` counts the terms in common with its nearest text by Kind; `days` is the distance to it, None if unknown.
    Where the mention or a text is a part of a longer one, `retold` and `named` are how near the texts are that have its
    leading name foremost, and at all, whatever the time between; else 0."""

    incident: str
    score: int
    copy: bool
    shared: tuple[int, ...]
    days: int | None
    retold: int = 0
    named: int = 0


def nearest_of(
    name: str,
    similarity: Integers,
    shared: Integers,
    copies: NDArray[np.bool_],
    days: NDArray[np.uint16],
    day: int,
) -> Match:
    """Half the nearest text, half the mean of all: a chain of look-alikes does not pass, a side story does."""
    nearest = int((similarity + copies * FULL).argmax())
    copy, there = bool(copies[nearest]), int(days[nearest])
    score = (int(similarity.sum()) // len(similarity) + int(similarity.max())) // 2
    return Match(
        incident=name,
        score=FULL if copy else score,
        copy=copy,
        shared=tuple(shared[nearest].tolist()),
        days=abs(there - day) if there and day else None,
    )
