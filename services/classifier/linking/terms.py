"""What a text speaks of, as weighted terms: words, names, amounts and dates, in no particular script.

English-like scripts give stemmed words; Chinese and Japanese runs give character bigrams, so that nothing has to be
segmented. Weights come from the text alone; how common a term is, the linker learns from the stream. Terms are numbers
here, and counted as arrays: a page of Chinese has two thousand of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from itertools import chain, repeat

import numpy as np
from numpy.typing import NDArray

from services.classifier.linking.common_words import CHINESE, ENGLISH
from services.classifier.linking.tokens import MAX_CHARS, Tokens, is_run, stem, tokens

TITLE_BOOST = 1.5
NAME_BOOST = 1.25
COMMON_SHARE = 0.6  # of their weight, to words of common_words.py
LEAD_WORDS = 60  # of a text: news says first what happened, and background later
LATER_SHARE = 0.8  # of their weight, to terms that come only after these
PLAIN = 1 << 32  # codes from here on are no bigrams
_PLACE_BITS = 30  # a code has 33

Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Kind(IntEnum):
    """What a term is; explanations count by it."""

    WORD = 0
    NAME = 1
    AMOUNT = 2
    DATE = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Terms:
    """The distinct terms of a text, `codes`, `kinds` and `weights` in parallel, the heaviest first, of equal weights
    what came first; and the codes of all words in `sequence`, for near-duplicates. A code is a bigram's code points,
    16 bits each, or PLAIN and an index into `plain`."""

    codes: Codes
    kinds: NDArray[np.uint8]
    weights: NDArray[np.float64]
    sequence: Codes
    plain: list[str]

    def text(self, code: int) -> str:
        return self.plain[code - PLAIN] if code >= PLAIN else bigram(code)


def bigram(code: int) -> str:
    return chr(code >> 16) + chr(code & 0xFFFF)


def terms(title: str, text: str) -> Terms:
    """The terms of a title and a text. Any text will do, also an empty one."""
    parts = tokens(title), tokens(text[:MAX_CHARS])
    index: dict[str, int] = {}
    for token in chain.from_iterable((*part.plain, *part.dates) for part in parts):
        index.setdefault(token, PLAIN + len(index))
    plain = list(index)
    (head, head_quoted), (body, body_quoted) = (_sequence(part, index) for part in parts)
    head_dates, body_dates = (_codes(part.dates, index) for part in parts)
    said = np.concatenate((head, head_dates, body, body_dates))
    quoted = np.concatenate(
        (head_quoted, np.zeros(len(head_dates), np.bool_), body_quoted, np.zeros(len(body_dates), np.bool_))
    )
    codes, first, counts = _distinct(said)
    kinds = _kinds(codes, counts, quoted[first], parts, plain)
    before = len(head) + len(head_dates)
    boosts = np.where(first < before, TITLE_BOOST, 1.0)
    boosts *= np.where(first < before + LEAD_WORDS, 1.0, LATER_SHARE)
    boosts *= np.where(kinds == Kind.NAME, NAME_BOOST, 1.0)
    boosts *= np.where(_is_common(codes, plain), COMMON_SHARE, 1.0)
    weights = boosts * 2.0 * counts / (counts + 1)  # grows with repetition and saturates: 1 to 2, times the boosts
    order = np.lexsort((first, -weights))
    return Terms(
        codes=codes[order],
        kinds=kinds[order],
        weights=weights[order],
        sequence=np.concatenate((head, body)),
        plain=plain,
    )


def _distinct(codes: Codes) -> tuple[Codes, Codes, Codes]:
    """The distinct codes, ascending; where each is first; how many there are of each. As np.unique does, at half the
    time: code and place are sorted as one number."""
    both = np.sort(codes << _PLACE_BITS | np.arange(len(codes)))
    ascending = both >> _PLACE_BITS
    starts = np.flatnonzero(np.diff(ascending, prepend=-1))
    return ascending[starts], both[starts] & (1 << _PLACE_BITS) - 1, np.diff(starts, append=len(codes))


def _sequence(part: Tokens, index: dict[str, int]) -> tuple[Codes, Flags]:
    """Words, numbers and bigrams as they follow each other, and which stand in quotes: what is quoted is a name where
    a script has no capitals."""
    plain = _codes(part.plain, index)
    points = np.frombuffer(part.text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.int64)
    han = is_run(points)
    at = np.flatnonzero(han[:-1] & han[1:])
    quoted = np.zeros(len(points), dtype=np.bool_)
    quoted[part.quoted] = True
    codes = np.concatenate((plain, points[at] << 16 | points[at + 1]))
    order = np.argsort(np.concatenate((np.array(part.places, dtype=np.int64), at)), kind="stable")
    flags = np.concatenate((np.zeros(len(plain), dtype=np.bool_), quoted[at]))
    return codes[order], flags[order]


def _codes(tokens: list[str], index: dict[str, int]) -> Codes:
    return np.fromiter(map(index.__getitem__, tokens), dtype=np.int64, count=len(tokens))


def _kinds(
    codes: Codes, counts: Codes, quoted: Flags, parts: tuple[Tokens, Tokens], plain: list[str]
) -> NDArray[np.uint8]:
    """A word is a name where it first stood in quotes, or where half of its occurrences begin with a capital."""
    told = dict.fromkeys(chain.from_iterable(part.amounts for part in parts), Kind.AMOUNT)
    told |= dict.fromkeys(chain.from_iterable(part.dates for part in parts), Kind.DATE)
    capitals = Counter(chain.from_iterable(part.capitals for part in parts))
    kinds = np.where(quoted, Kind.NAME, Kind.WORD).astype(np.uint8)
    of_plain = codes >= PLAIN
    at = codes[of_plain] - PLAIN
    kind = np.fromiter(map(told.get, plain, repeat(Kind.WORD)), np.uint8, len(plain))[at]
    capital = np.fromiter(map(capitals.get, plain, repeat(0)), np.int64, len(plain))[at]
    named = (kind == Kind.WORD) & (capital * 2 >= np.maximum(counts[of_plain], 2))
    kinds[of_plain] = np.where(named, Kind.NAME, kind)
    return kinds


def _is_common(codes: Codes, plain: list[str]) -> Flags:
    """`codes` ascend."""
    words, bigrams = _common()
    of_plain = codes >= PLAIN
    at = np.searchsorted(codes, bigrams)
    common = np.zeros(len(codes), dtype=np.bool_)
    common[at[np.append(codes, -1)[at] == bigrams]] = True
    common[of_plain] = np.fromiter(map(words.__contains__, plain), np.bool_, len(plain))[codes[of_plain] - PLAIN]
    return common


@cache
def _common() -> tuple[frozenset[str], Codes]:
    words = frozenset(stem(word) for word in ENGLISH)
    return words, np.sort(np.array([ord(pair[0]) << 16 | ord(pair[1]) for pair in CHINESE], dtype=np.int64))
