"""How an incident compares with a mention."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.classifier.linking.fingerprint_table import Integers

FULL = 10_000  # a similarity of 1

Flags = NDArray[np.bool_]


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


@dataclass(frozen=True, kw_only=True, eq=False)
class RowComparison:
    """How stored fingerprints compare with a mention; all arrays have a value per row.

    `cosine` is 0 to FULL; `similarity` is the cosine reduced by the distance in time, and
    0 for another subject. `shared` is rows x TermKind. `days` are those of the rows,
    `day` that of the mention, 0 if unknown. `retold` and `named` mark rows that have its
    lead name among their top terms, and at all.
    """

    cosine: Integers
    similarity: Integers
    shared: Integers
    copies: Flags
    days: NDArray[np.uint16]
    day: int
    retold: Flags
    named: Flags


def match_of(incident: str, compared: RowComparison, rows: slice) -> Match:
    """Compare a mention with the texts of one incident, which are in `rows`.

    The score is half the nearest text and half the mean of all: a side story passes, a
    chain of look-alikes does not.
    """
    similarity = compared.similarity[rows]
    cosine = compared.cosine[rows]
    nearest = int((similarity + compared.copies[rows] * FULL).argmax())
    copy = bool(compared.copies[rows][nearest])
    mean = int(similarity.sum()) // len(similarity)
    score = (mean + int(similarity.max())) // 2
    day = int(compared.days[rows][nearest])
    return Match(
        incident=incident,
        score=FULL if copy else score,
        copy=copy,
        shared=tuple(compared.shared[rows][nearest].tolist()),
        days=abs(day - compared.day) if day and compared.day else None,
        retold=int((cosine * compared.retold[rows]).max()),
        named=int((cosine * compared.named[rows]).max()),
    )
