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
from services.classifier.text.tokens import (
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
    """Distinct terms of a text, `codes`, `kinds` and `weights` in parallel, the heaviest first, of equal weights what
    came first; and the codes of all words in `sequence`, for near-duplicates. A code is a bigram's code points,
    16 bits each, or PLAIN and an index into `plain`."""

    codes: Codes
    kinds: NDArray[np.uint8]
    weights: NDArray[np.float64]
    sequence: Codes
    plain: list[str]

    def text(self, code: int) -> str:
        return self.plain[code - PLAIN] if code >= PLAIN else bigram(code)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sequence:
    """The words and bigrams of a title and a text, in order.

    `title_length` of them are in the title. `quoted`: which stand in quotes.
    """

    codes: Codes
    title_length: int
    quoted: Flags


def terms(title: str, text: str, most: int) -> Terms:
    """Return the `most` heaviest terms of a title and a text, which may be empty."""
    head = tokens(title)
    body = tokens(text[:MAX_CHARS])
    tokens_read = [*head.plain, *body.plain, *head.dates, *body.dates]
    plain = list(dict.fromkeys(tokens_read))
    number_of = dict(zip(plain, count(PLAIN), strict=False))
    numbers = np.fromiter(
        map(number_of.__getitem__, tokens_read), np.int64, len(tokens_read)
    )
    words = len(head.plain) + len(body.plain)
    sequence = _sequence(head, body, numbers[:words])
    # Dates come after the words of their part; they are not in quotes.
    before = sequence.title_length
    dates = numbers[words:]
    title_dates = len(head.dates)
    order = np.concatenate(
        (
            sequence.codes[:before],
            dates[:title_dates],
            sequence.codes[before:],
            dates[title_dates:],
        )
    )
    is_quoted = np.concatenate(
        (
            sequence.quoted[:before],
            np.zeros(title_dates, dtype=np.bool_),
            sequence.quoted[before:],
            np.zeros(len(dates) - title_dates, dtype=np.bool_),
        )
    )
    before += title_dates
    codes, first, counts = _distinct(order)
    kinds = _kinds(codes, counts, is_quoted[first], (head, body), plain)
    boosts = np.where(first < before, TITLE_BOOST, 1.0)
    boosts *= np.where(first < before + LEAD_WORDS, 1.0, LATER_SHARE)
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
    return (
        ascending[starts],
        both[starts] & (1 << _PLACE_BITS) - 1,
        np.append(starts[1:], len(codes)) - starts,
    )


def heaviest(weights: NDArray[np.float64], first: Codes, most: int) -> NDArray[np.intp]:
    """Return the places of the heaviest terms; of equal weights, the earlier ones.

    Most terms weigh the same, so they are not sorted.
    """
    among = np.arange(len(weights))
    if most < len(weights):
        least = -np.partition(-weights, most - 1)[
            most - 1
        ]  # from this end: numpy takes long over ties at the other
        heavy, light = np.flatnonzero(weights > least), np.flatnonzero(weights == least)
        wanted = most - len(heavy)
        among = np.concatenate(
            (heavy, light[np.argpartition(first[light], wanted - 1)[:wanted]])
        )
    return among[np.lexsort((first[among], -weights[among]))]


def _kinds(
    codes: Codes,
    counts: Codes,
    quoted: Flags,
    parts: tuple[Tokens, Tokens],
    plain: list[str],
) -> NDArray[np.uint8]:
    """Mark words as names: first seen in quotes, or capitalised in half of their occurrences."""
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
    """`codes` ascend."""
    words, bigrams = _common()
    of_plain = codes >= PLAIN
    at = np.searchsorted(codes, bigrams)
    common = np.zeros(len(codes), dtype=np.bool_)
    common[at[np.append(codes, -1)[at] == bigrams]] = True
    common[of_plain] = np.fromiter(
        map(words.__contains__, plain), np.bool_, len(plain)
    )[codes[of_plain] - PLAIN]
    return common


@cache
def _common() -> tuple[frozenset[str], Codes]:
    words = frozenset(term_of(word) for word in ENGLISH)
    return words, codes_of(sorted(CHINESE))
