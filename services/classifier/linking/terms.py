"""The weighted terms of a text: words, names, amounts and dates, in any script.

Alphabetic scripts give stemmed words; Chinese and Japanese runs give character bigrams,
which need no segmentation. Weights come from the text alone; the linker learns from the
stream how common a term is. Terms are numbers here and are counted as arrays: a page of
Chinese has two thousand of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from itertools import chain, count, repeat

import numpy as np
from numpy.typing import NDArray

from services.classifier.linking.common_words import CHINESE, ENGLISH
from services.classifier.text.bigrams import (
    CODES,
    Codes,
    Flags,
    bigram,
    bigrams,
    codes_of,
    letters,
    starts_of,
)
from services.classifier.text.tokenizer import (
    FIRST_OF_RUNS,
    MAX_CHARS,
    Tokens,
    is_run,
    term_of,
    tokens,
)

TITLE_BOOST = 1.5
NAME_BOOST = 1.25
COMMON_SHARE = 0.6  # of their weight, to words of common_words.py
LEAD_WORDS = 60  # of a text: news says first what happened, and background later
LATER_SHARE = 0.8  # of their weight, to terms that come only after these
PLAIN = CODES  # codes from here on are no bigrams
_PLACE_BITS = 30  # a code has 33


class TermKind(IntEnum):
    """What a term is; explanations count by it."""

    WORD = 0
    NAME = 1
    AMOUNT = 2
    DATE = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Terms:
    """The distinct terms of a text, the heaviest first; of equal weights, the earlier ones.

    `codes`, `kinds` and `weights` are parallel. A code is the two code points of a
    bigram, 16 bits each, or PLAIN plus an index into `plain`. `sequence` has the codes
    of all words in order, for near-duplicates.
    """

    codes: Codes
    kinds: NDArray[np.uint8]
    weights: NDArray[np.float64]
    sequence: Codes
    plain: list[str]

    def text(self, code: int) -> str:
        """Return the word or bigram of a code."""
        return self.plain[code - PLAIN] if code >= PLAIN else bigram(code)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sequence:
    """The words and bigrams of a title and a text, in order.

    `title_length` of them are in the title. `quoted` marks those in quotes.
    """

    codes: Codes
    title_length: int
    quoted: Flags


def terms(title: str, text: str, most: int) -> Terms:
    """Return the `most` heaviest terms of a title and a text, which may be empty."""
    head = tokens(title)
    body = tokens(text[:MAX_CHARS])
    words = [*head.plain, *body.plain]
    dates = [*head.dates, *body.dates]
    plain = list(dict.fromkeys([*words, *dates]))
    number_of = dict(zip(plain, count(PLAIN), strict=False))
    sequence = _sequence(head, body, _codes(words, number_of))
    order, is_quoted = _with_dates(
        sequence, _codes(dates, number_of), title_dates=len(head.dates)
    )
    title_length = sequence.title_length + len(head.dates)
    codes, first, counts = _distinct(order)
    kinds = _kinds(codes, counts, is_quoted[first], (head, body), plain)
    boosts = np.where(first < title_length, TITLE_BOOST, 1.0)
    boosts *= np.where(first < title_length + LEAD_WORDS, 1.0, LATER_SHARE)
    boosts *= np.where(kinds == TermKind.NAME, NAME_BOOST, 1.0)
    boosts *= np.where(_is_common(codes, plain), COMMON_SHARE, 1.0)
    # Grows with repetition and saturates: 1 to 2, times the boosts.
    weights = boosts * 2.0 * counts / (counts + 1)
    heavy = heaviest(weights, first, most)
    return Terms(
        codes=codes[heavy],
        kinds=kinds[heavy],
        weights=weights[heavy],
        sequence=sequence.codes,
        plain=plain,
    )


def _codes(terms_read: list[str], number_of: Mapping[str, int]) -> Codes:
    numbers = map(number_of.__getitem__, terms_read)
    return np.fromiter(numbers, np.int64, len(terms_read))


def _with_dates(
    sequence: _Sequence, dates: Codes, title_dates: int
) -> tuple[Codes, Flags]:
    """Return the codes in order, and which are in quotes.

    The first `title_dates` dates come after the words of the title, the others at the
    end; none is in quotes.
    """
    at = sequence.title_length
    words = sequence.codes
    codes = (words[:at], dates[:title_dates], words[at:], dates[title_dates:])
    unquoted = np.zeros(len(dates), dtype=np.bool_)
    quoted = (
        sequence.quoted[:at],
        unquoted[:title_dates],
        sequence.quoted[at:],
        unquoted[title_dates:],
    )
    return np.concatenate(codes), np.concatenate(quoted)


def _sequence(head: Tokens, body: Tokens, words: Codes) -> _Sequence:
    """Return words, numbers and bigrams in order. `words` are the codes of the former."""
    whole = letters(f"{head.text}\0{body.text}")
    quotes = [*head.quoted, *body.quoted]
    if not quotes and whole.max() < FIRST_OF_RUNS:
        return _Sequence(
            codes=words,
            title_length=len(head.plain),
            quoted=np.zeros(len(words), dtype=np.bool_),
        )
    begin = len(head.text) + 1  # of the text in `whole`
    places = [*head.places(), *(begin + place for place in body.places())]
    line = np.full(len(whole), -1)  # codes where they begin, else -1
    in_run = is_run(whole)
    at = np.flatnonzero(in_run[:-1] & in_run[1:])
    line[at] = bigrams(whole, at)
    line[places] = words
    there = np.flatnonzero(line >= 0)
    quoted = np.zeros(len(whole), dtype=np.bool_)
    quoted[[*head.quoted, *(begin + place for place in body.quoted)]] = True
    return _Sequence(
        codes=line[there],
        title_length=int(np.searchsorted(there, begin)),
        quoted=quoted[there],
    )


def _distinct(codes: Codes) -> tuple[Codes, Codes, Codes]:
    """Return the distinct codes, ascending, with the first place and the count of each.

    Like np.unique at half the time: code and place are sorted as one number.
    """
    both = np.sort(codes << _PLACE_BITS | np.arange(len(codes)))
    ascending = both >> _PLACE_BITS
    starts = starts_of(ascending)
    first = both[starts] & (1 << _PLACE_BITS) - 1
    counts = np.append(starts[1:], len(codes)) - starts
    return ascending[starts], first, counts


def heaviest(weights: NDArray[np.float64], first: Codes, most: int) -> NDArray[np.intp]:
    """Return the places of the heaviest terms; of equal weights, the earlier ones.

    Most terms weigh the same, so they are not sorted.
    """
    among = np.arange(len(weights))
    if most < len(weights):
        # Descending: numpy takes long over ties at the other end.
        least = -np.partition(-weights, most - 1)[most - 1]
        heavy = np.flatnonzero(weights > least)
        light = np.flatnonzero(weights == least)
        wanted = most - len(heavy)
        earliest = np.argpartition(first[light], wanted - 1)[:wanted]
        among = np.concatenate((heavy, light[earliest]))
    return among[np.lexsort((first[among], -weights[among]))]


def _kinds(
    codes: Codes,
    counts: Codes,
    quoted: Flags,
    parts: tuple[Tokens, Tokens],
    plain: list[str],
) -> NDArray[np.uint8]:
    """Return the kind of each code.

    A word is a name if it is first seen in quotes, or capitalised in half of its
    occurrences.
    """
    amounts = chain.from_iterable(part.amounts for part in parts)
    dates = chain.from_iterable(part.dates for part in parts)
    kind_of = dict.fromkeys(amounts, TermKind.AMOUNT)
    kind_of |= dict.fromkeys(dates, TermKind.DATE)
    capitals = Counter(chain.from_iterable(part.capitals for part in parts))
    kinds = np.where(quoted, TermKind.NAME, TermKind.WORD).astype(np.uint8)
    of_plain = codes >= PLAIN
    at = codes[of_plain] - PLAIN
    words = repeat(TermKind.WORD)
    kind = np.fromiter(map(kind_of.get, plain, words), np.uint8, len(plain))[at]
    capital = np.fromiter(map(capitals.get, plain, repeat(0)), np.int64, len(plain))[at]
    named = (kind == TermKind.WORD) & (capital * 2 >= np.maximum(counts[of_plain], 2))
    kinds[of_plain] = np.where(named, TermKind.NAME, kind)
    return kinds


def _is_common(codes: Codes, plain: list[str]) -> Flags:
    """Return which codes are common terms; `codes` ascend."""
    words, bigrams = _common()
    of_plain = codes >= PLAIN
    at = np.searchsorted(codes, bigrams)
    common = np.zeros(len(codes), dtype=np.bool_)
    common[at[np.append(codes, -1)[at] == bigrams]] = True
    in_words = np.fromiter(map(words.__contains__, plain), np.bool_, len(plain))
    common[of_plain] = in_words[codes[of_plain] - PLAIN]
    return common


@cache
def _common() -> tuple[frozenset[str], Codes]:
    words = frozenset(term_of(word) for word in ENGLISH)
    return words, codes_of(sorted(CHINESE))
