"""Inverse document frequency in integers, so that every machine links alike."""

from __future__ import annotations

from functools import cache

import numpy as np

from services.classifier.linking.fingerprint_table import Integers


def idf32(n: int) -> int:
    """Return 32 log2(n), rounded down."""
    return int(n**32).bit_length() - 1


@cache
def logs() -> Integers:
    """Return idf32(2 n + 3) for every 16-bit n: a term of n incidents counts as n + 1.5."""
    return np.array([idf32(2 * n + 3) for n in range(1 << 16)], dtype=np.int64)
