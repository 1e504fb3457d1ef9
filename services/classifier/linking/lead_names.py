"""Whether two mentions share a lead name.

A paragraph of a long feature looks back at news of months before. It shares few words
with the report of then, so their similarity is low; but the name that the paragraph
repeats is the one that the report leads with.
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

TOP_TERMS = 3  # heaviest terms of a mention, among which the lead name must be
REPEATED = 6  # stored weight of a name in the heading or used twice; once gives 5
_WEIGHT = 15

Flags = NDArray[np.bool_]


def has_lead_name_of(
    mention: Packed, heavy: Integers, others: Packed, heavy_others: Integers
) -> tuple[Flags, Flags]:
    """Return two masks: rows that have the mention's lead name, and rows that have it on top.

    `heavy` is weight times rarity, 0 for an unused place.
    """
    lead, leads = _leading(mention[None, :], heavy[None, :])
    there = (slots_of(others) == slots_of(mention)[lead]) & (heavy_others > 0) & leads
    return there.any(axis=1), _is_top_term(there, heavy_others)


def leading(
    mention: Packed, heavy: Integers, others: Packed, heavy_others: Integers
) -> tuple[Flags, Flags]:
    """Return two masks: rows whose lead name the mention has, and has on top."""
    at, leads = _leading(others, heavy_others)
    names = np.take_along_axis(slots_of(others), at[:, None], axis=1)
    there = (names == slots_of(mention)) & leads[:, None]
    return there.any(axis=1), _is_top_term(there, np.broadcast_to(heavy, there.shape))


def _leading(packed: Packed, heavy: Integers) -> tuple[NDArray[np.intp], Flags]:
    """Return the place of each row's heaviest name, and whether that name is repeated."""
    names = np.where((kinds_of(packed) == TermKind.NAME) & (heavy > 0), heavy, -1)
    at = names.argmax(axis=1)
    best = np.take_along_axis(packed, at[:, None], axis=1)[:, 0]
    repeated: Flags = (names.max(axis=1) > 0) & (
        (best >> SLOT_BITS & _WEIGHT) >= REPEATED
    )
    return at, repeated


def _is_top_term(there: Flags, heavy: Integers) -> Flags:
    """Return whether the marked term of each row is among its TOP_TERMS heaviest."""
    own = np.where(there, heavy, 0).max(axis=1)
    found: Flags = (own > 0) & ((heavy > own[:, None]).sum(axis=1) < TOP_TERMS)
    return found
