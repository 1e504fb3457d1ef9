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
from services.classifier.text.tokens import MAX_CHARS, Tokens, is_run, term_of, tokens

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


def terms(title: str, text: str, most: int) -> Terms:
    """Return the `most` heaviest terms of a title and a text, which may be empty."""
    head, body = tokens(title), tokens(text[:MAX_CHARS])
    apart = len(head.text) + 1  # where the text begins in `whole`
    whole = letters(f"{head.text}\0{body.text}")
    said = [*head.plain, *body.plain, *head.dates, *body.dates]
    index = {token: PLAIN + n for n, token in enumerate(dict.fromkeys(said))}
    numbers = np.fromiter(map(index.__getitem__, said), dtype=np.int64, count=len(said))
    words = len(head.plain) + len(body.plain)
    line = _line(
        whole,
        [*head.places, *(apart + place for place in body.places)],
        numbers[:words],
    )
    there = np.flatnonzero(line >= 0)
    begins = int(np.searchsorted(there, apart))
    head_dates, body_dates = np.split(numbers[words:], [len(head.dates)])
    # Dates come after the words of their part; where title and text meet, nothing stands.
    places = (
        there[:begins],
        np.full(len(head_dates), apart - 1),
        there[begins:],
        np.full(len(body_dates), apart - 1),
    )
    codes, first, counts = _distinct(
        np.concatenate((line[places[0]], head_dates, line[places[2]], body_dates))
    )
    quoted = np.zeros(len(whole), dtype=np.bool_)
    quoted[[*head.quoted, *(apart + place for place in body.quoted)]] = True
    plain = list(index)
    kinds = _kinds(
        codes, counts, quoted[np.concatenate(places)[first]], (head, body), plain
    )
    before = begins + len(head_dates)
    boosts = np.where(first < before, TITLE_BOOST, 1.0)
    boosts *= np.where(first < before + LEAD_WORDS, 1.0, LATER_SHARE)
    boosts *= np.where(kinds == TermKind.NAME, NAME_BOOST, 1.0)
    boosts *= np.where(_is_common(codes, plain), COMMON_SHARE, 1.0)
    weights = (
        boosts * 2.0 * counts / (counts + 1)
    )  # grows with repetition and saturates: 1 to 2, times the boosts
    order = heaviest(weights, first, most)
    return Terms(
        codes=codes[order],
        kinds=kinds[order],
        weights=weights[order],
        sequence=line[there],
        plain=plain,
    )


def _line(letters: Codes, places: list[int], words: Codes) -> Codes:
    """Words, numbers and bigrams in the places where they begin; -1 where nothing does."""
    line = np.full(len(letters), -1)
    in_run = is_run(letters)
    at = np.flatnonzero(in_run[:-1] & in_run[1:])
    line[at] = bigrams(letters, at)
    line[places] = words
    return line


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
    told = dict.fromkeys(
        chain.from_iterable(part.amounts for part in parts), TermKind.AMOUNT
    )
    told |= dict.fromkeys(
        chain.from_iterable(part.dates for part in parts), TermKind.DATE
    )
    capitals = Counter(chain.from_iterable(part.capitals for part in parts))
    kinds = np.where(quoted, TermKind.NAME, TermKind.WORD).astype(np.uint8)
    of_plain = codes >= PLAIN
    at = codes[of_plain] - PLAIN
    kind = np.fromiter(
        map(told.get, plain, repeat(TermKind.WORD)), np.uint8, len(plain)
    )[at]
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
