"""How rare a term is, exactly: no machine's logarithm is asked, so that every machine links alike."""

from __future__ import annotations

from functools import cache

import numpy as np

from services.classifier.linking.fingerprint_table import Integers


def idf32(n: int) -> int:
    """32 log2(n), rounded down."""
    return int(n**32).bit_length() - 1


@cache
def logs() -> Integers:
    """idf32(2 n + 3) for every n of 16 bits, so that a term of n incidents counts n + 1.5."""
    return np.array([idf32(2 * n + 3) for n in range(1 << 16)], dtype=np.int64)
