"""Two characters in a row as a number: a page of Chinese has two thousand of them, and arrays count and look them up
at a fraction of what strings cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]

CODES = 1 << 32  # codes are below
BEYOND = "\uffff"  # a Unicode noncharacter, for all characters beyond 16 bits
_BITS = 16  # of a character


def letters(text: str) -> Codes:
    """Return the code points of a text, BEYOND for those past 16 bits.

    Surrogates are not combined.
    """
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return np.minimum(points, ord(BEYOND)).astype(np.int64)


def is_han(letters: Codes) -> Flags:
    """Return which letters are Chinese characters."""
    return (letters >= 0x3400) & (letters <= 0x9FFF)


def bigrams(letters: Codes, at: Codes) -> Codes:
    """Return the codes of the bigrams at the indices `at`, each below the last index."""
    return letters[at] << _BITS | letters[at + 1]


def codes_of(strings: Sequence[str], length: int = 2) -> Codes:
    """Return the codes of strings of `length` characters, at most three.

    The codes have the order of the strings.
    """
    codes = np.zeros(len(strings), dtype=np.int64)
    for n in range(length):
        codes = codes << _BITS | letters("".join(one[n] for one in strings))
    return codes


def bigram(code: int) -> str:
    return chr(code >> _BITS) + chr(code & ord(BEYOND))


def starts_of(ascending: Codes) -> Codes:
    """Return the index of the first of each distinct code."""
    is_first = np.ones(len(ascending), dtype=np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=is_first[1:])
    return np.flatnonzero(is_first)


def distinct(codes: Codes) -> tuple[Codes, Codes]:
    """Return the distinct codes, ascending, and their counts.

    Faster than np.unique for short arrays.
    """
    ascending = np.sort(codes)
    starts = starts_of(ascending)
    return ascending[starts], np.append(starts[1:], len(codes)) - starts
