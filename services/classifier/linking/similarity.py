"""How an incident compares with a mention."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.classifier.linking.fingerprint_table import Integers

FULL = 10_000  # a similarity of 1


@dataclass(frozen=True, kw_only=True)
class Match:
    """How an incident compares with a mention.

    `score` is 0 to FULL. `copy`: the mention is a copy of one of its texts. `shared`
    counts terms shared with its nearest text by TermKind; `days` is the distance to that
    text, None if unknown. If the mention or a text is an excerpt, `retold` and `named`
    are the untimed similarity to texts that have its lead name among their top terms,
    and at all; else 0.
    """

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
    """Compare a mention with the texts of one incident.

    The score is half the nearest text and half the mean of all: a side story passes, a
    chain of look-alikes does not.
    """
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
