"""How an incident compares with a mention."""

from __future__ import annotations

from collections.abc import Sequence
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


def matches_of(
    incidents: Sequence[str], compared: RowComparison, sizes: Integers
) -> list[Match]:
    """Compare a mention with incidents, whose texts are `sizes` consecutive rows each.

    The score is half the nearest text and half the mean of all: a side story passes, a
    chain of look-alikes does not.
    """
    starts = np.cumsum(sizes) - sizes
    similarity = compared.similarity
    cosine = compared.cosine
    preferred = similarity + compared.copies * FULL
    is_highest = preferred == np.repeat(np.maximum.reduceat(preferred, starts), sizes)
    highest = np.flatnonzero(is_highest)
    nearest = highest[np.searchsorted(highest, starts)]  # the first of each incident
    copies = compared.copies[nearest]
    means = np.add.reduceat(similarity, starts) // sizes
    scores = (means + np.maximum.reduceat(similarity, starts)) // 2
    columns = (
        np.where(copies, FULL, scores),
        copies,
        compared.shared[nearest],
        compared.days[nearest],
        np.maximum.reduceat(cosine * compared.retold, starts),
        np.maximum.reduceat(cosine * compared.named, starts),
    )
    return [
        Match(
            incident=incident,
            score=score,
            copy=copy,
            shared=tuple(shared),
            days=abs(day - compared.day) if day and compared.day else None,
            retold=retold,
            named=named,
        )
        for incident, score, copy, shared, day, retold, named in zip(
            incidents, *(column.tolist() for column in columns), strict=True
        )
    ]
