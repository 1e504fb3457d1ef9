"""Finds the Chinese patterns of lexicon.toml in all sentences of a text at once."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from services.classifier.text.bigrams import BEYOND, Codes, codes_of, is_han

BETWEEN = "[^。！？；\n]{0,8}?"
BEGIN = 3  # letters by which patterns are looked up
_NONE = "\0"  # in the place of a letter that a shorter begin does not have
_PLACES = 1 << 16


class ChinesePatternMatcher:
    """Patterns by the three letters that they begin with, or fewer where they are so short or have a gap there. Codes
    of letters tell where in a text they may begin: in most places none does."""

    def __init__(self, patterns: Iterable[tuple[str, str]]) -> None:
        """`patterns`: pairs of concept and pattern."""
        begins: dict[str, list[tuple[str, str]]] = {}
        for concept, pattern in patterns:
            lower = pattern.lower()
            begins.setdefault(
                lower.partition("~")[0][:BEGIN].ljust(BEGIN, _NONE), []
            ).append((concept, lower))
        ordered = sorted(begins)
        self._codes = np.append(codes_of(ordered, BEGIN), np.iinfo(np.int64).max)
        self._lengths = np.array(
            [len(begin.rstrip(_NONE)) for begin in ordered], dtype=np.int64
        )
        # Of each begin: concepts that it is enough for, and those of patterns that go on.
        self._certain = [
            {name for name, one in begins[begin] if _is_told(one)} for begin in ordered
        ]
        self._longer = [
            [
                (name, one, _gapped(one))
                for name, one in begins[begin]
                if not _is_told(one)
            ]
            for begin in ordered
        ]
        firsts, seconds = (self._codes[:-1] >> bits & 0xFFFF for bits in (32, 16))
        self._may_begin, self._is_alone = (
            np.zeros(_PLACES, dtype=np.bool_),
            np.zeros(1 << 16, dtype=np.bool_),
        )
        self._may_begin[_mixed(firsts, seconds)] = True
        self._is_alone[firsts[seconds == ord(_NONE)]] = True

    def find(self, lower: str, letters: Codes, bounds: Codes) -> list[set[str]]:
        """Concepts whose patterns occur in each sentence: its bounds in `lower`, sentences x 2. A sentence without
        any Chinese character is not Chinese: "AI" in it is left to the English patterns."""
        found: list[set[str]] = [set() for _ in bounds]
        chinese = np.append(
            0, np.cumsum(is_han(letters))
        )  # characters before each place
        if not chinese[-1]:
            return found
        at, begins = self._begins(letters)
        owners = np.searchsorted(bounds[:, 0], at, side="right") - 1
        ends = bounds[owners, 1]
        inside = (owners >= 0) & (at + self._lengths[begins] <= ends)
        looked_at = inside & (chinese[ends] > chinese[bounds[owners, 0]])
        hits = (one[looked_at].tolist() for one in (at, ends, owners, begins))
        for place, end, owner, begin in zip(*hits, strict=True):
            found[owner] |= self._certain[begin]
            for concept, whole, gapped in self._longer[begin]:
                if (
                    gapped.match(lower, place, end)
                    if gapped
                    else lower.startswith(whole, place, end)
                ):
                    found[owner].add(concept)
        return found

    def _begins(self, letters: Codes) -> tuple[Codes, Codes]:
        """Where patterns may begin, and which: places in `_codes`."""
        after = np.append(letters, [0, 0])
        at = np.flatnonzero(self._may_begin[_mixed(letters, after[1:-1])])
        alone = np.flatnonzero(self._is_alone[letters])
        pairs = after[at] << 32 | after[at + 1] << 16
        wanted = np.concatenate((pairs, pairs | after[at + 2], after[alone] << 32))
        begins = np.searchsorted(self._codes, wanted)
        known = self._codes[begins] == wanted
        return np.concatenate((at, at, alone))[known], begins[known]


def _mixed(first: Codes, second: Codes) -> Codes:
    """Return a hash below _PLACES of two characters; few pairs of a text collide."""
    return (first * 251 + second) & (_PLACES - 1)


def _is_told(pattern: str) -> bool:
    """Whether the codes of its letters tell all of a pattern."""
    return len(pattern) <= BEGIN and "~" not in pattern and max(pattern) < BEYOND


def _gapped(pattern: str) -> re.Pattern[str] | None:
    return (
        re.compile(BETWEEN.join(map(re.escape, pattern.split("~"))))
        if "~" in pattern
        else None
    )
