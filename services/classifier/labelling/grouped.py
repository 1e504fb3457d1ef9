"""Counts and sums over many stretches of text at once: what costs per call of numpy is paid once for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.classifier.text.bigrams import Codes, distinct, starts_of

_CODE_BITS = 33
CODE_LIMIT = 1 << _CODE_BITS


def counted(codes: Sequence[Sequence[Codes]]) -> tuple[Codes, Codes, Codes]:
    """The distinct codes of each stretch: the number of the stretch, ascending, the code, how often it is there."""
    parts = [part for stretch in codes for part in stretch]
    if not parts:
        return _NONE, _NONE, _NONE
    owners = np.repeat(
        np.arange(len(codes)), [sum(map(len, stretch)) for stretch in codes]
    )
    keys, counts = distinct(owners << _CODE_BITS | np.concatenate(parts))
    return keys >> _CODE_BITS, keys & CODE_LIMIT - 1, counts


def summed(
    owners: Codes, values: NDArray[np.float64], stretches: int
) -> NDArray[np.float64]:
    """The sums of the rows of `values` for each stretch; `owners` are the stretches of the rows, ascending."""
    found = np.zeros((stretches, *values.shape[1:]))
    if len(owners):
        starts = starts_of(owners)
        found[owners[starts]] = np.add.reduceat(values, starts)
    return found


_NONE = np.zeros(0, dtype=np.int64)
