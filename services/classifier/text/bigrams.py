"""Two characters in a row as a number: a page of Chinese has two thousand of them, and arrays count and look them up
at a fraction of what strings cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]

CODES = 1 << 32  # codes are below
BEYOND = "\uffff"  # no character of its own (Unicode, noncharacters): stands for all that need more bits
_BITS = 16  # of a character


def letters(text: str) -> Codes:
    """The characters of a text as numbers: their code points, those past 16 bits as one. Surrogates are themselves."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return np.minimum(points, ord(BEYOND)).astype(np.int64)


def is_han(letters: Codes) -> Flags:
    """Which letters are Chinese characters."""
    return (letters >= 0x3400) & (letters <= 0x9FFF)


def bigrams(letters: Codes, at: Codes) -> Codes:
    """The codes of the bigrams that begin at the places `at`; after the last one stands another letter."""
    return letters[at] << _BITS | letters[at + 1]


def codes_of(strings: Sequence[str], length: int = 2) -> Codes:
    """The codes of strings of `length` characters each, at most three; they ascend as the strings do."""
    codes = np.zeros(len(strings), dtype=np.int64)
    for n in range(length):
        codes = codes << _BITS | letters("".join(one[n] for one in strings))
    return codes


def bigram(code: int) -> str:
    return chr(code >> _BITS) + chr(code & ord(BEYOND))


def starts_of(ascending: Codes) -> Codes:
    """Where each of the distinct codes begins."""
    is_first = np.ones(len(ascending), dtype=np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=is_first[1:])
    return np.flatnonzero(is_first)


def distinct(codes: Codes) -> tuple[Codes, Codes]:
    """The distinct codes, ascending, and how many there are of each. As np.unique, which takes longer over few."""
    ascending = np.sort(codes)
    starts = starts_of(ascending)
    return ascending[starts], np.append(starts[1:], len(codes)) - starts
