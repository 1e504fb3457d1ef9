"""Whether two mentions speak of one name above all: what tells a happening again where little else is said of it.

A part of a long feature looks back, in a paragraph, at what was news months before. It shares few words with the report
of then, so that they are not much alike; but the name that it repeats, the report names first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.classifier.linking.fingerprint_table import (
    SLOT_BITS,
    Integers,
    Packed,
    kinds_of,
    slots_of,
)
from services.classifier.linking.terms import TermKind

FOREMOST = 3  # of the heaviest terms of a mention, one of which the other's leading name must be
REPEATED = 6  # stored weight of a name that is said twice, or in the heading; one that is said once has 5
_WEIGHT = 15

Flags = NDArray[np.bool_]


def has_lead_name_of(
    mention: Packed, heavy: Integers, others: Packed, heavy_others: Integers
) -> tuple[Flags, Flags]:
    """Which others (a row each) have the mention's leading name at all, and which foremost. `heavy` is weight times
    rarity, 0 where a place is not used."""
    lead, leads = _leading(mention[None, :], heavy[None, :])
    there = (slots_of(others) == slots_of(mention)[lead]) & (heavy_others > 0) & leads
    return there.any(axis=1), _is_top_term(there, heavy_others)


def leading(
    mention: Packed, heavy: Integers, others: Packed, heavy_others: Integers
) -> tuple[Flags, Flags]:
    """Which others' leading names the mention has at all, and which it has foremost."""
    at, leads = _leading(others, heavy_others)
    names = np.take_along_axis(slots_of(others), at[:, None], axis=1)
    there = (names == slots_of(mention)) & leads[:, None]
    return there.any(axis=1), _is_top_term(there, np.broadcast_to(heavy, there.shape))


def _leading(packed: Packed, heavy: Integers) -> tuple[NDArray[np.intp], Flags]:
    """Where each row has its heaviest name, and whether it has one that is repeated."""
    names = np.where((kinds_of(packed) == TermKind.NAME) & (heavy > 0), heavy, -1)
    at = names.argmax(axis=1)
    best = np.take_along_axis(packed, at[:, None], axis=1)[:, 0]
    repeated: Flags = (names.max(axis=1) > 0) & (
        (best >> SLOT_BITS & _WEIGHT) >= REPEATED
    )
    return at, repeated


def _is_top_term(there: Flags, heavy: Integers) -> Flags:
    """Whether each row has the term that is marked in it among its heaviest."""
    own = np.where(there, heavy, 0).max(axis=1)
    found: Flags = (own > 0) & ((heavy > own[:, None]).sum(axis=1) < FOREMOST)
    return found
