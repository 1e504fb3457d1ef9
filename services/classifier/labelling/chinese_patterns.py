"""Find the Chinese patterns of lexicon.toml in all sentences of a text at once.

Patterns are indexed by their first characters. Arrays of codes find the few offsets of a
text at which a pattern may begin; only there is the rest of a pattern compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from services.classifier.text.bigrams import BEYOND, Codes, codes_of, is_han

BETWEEN = "[^。！？；\n]{0,8}?"
PREFIX = 3  # characters by which patterns are indexed
_NONE = "\0"  # pads a shorter prefix
_BUCKETS = 1 << 16  # hashes of two characters


class ChinesePatternMatcher:
    """Patterns by their prefixes: PREFIX characters, or fewer before an end or a gap."""

    def __init__(self, patterns: Iterable[tuple[str, str]]) -> None:
        """Index `patterns`, pairs of concept and pattern; `~` in a pattern is a gap."""
        by_prefix: dict[str, list[tuple[str, str]]] = {}
        for concept, pattern in patterns:
            lower = pattern.lower()
            prefix = lower.partition("~")[0][:PREFIX].ljust(PREFIX, _NONE)
            by_prefix.setdefault(prefix, []).append((concept, lower))
        prefixes = sorted(by_prefix)
        lengths = [len(prefix.rstrip(_NONE)) for prefix in prefixes]
        self._codes = np.append(codes_of(prefixes, PREFIX), np.iinfo(np.int64).max)
        self._lengths = np.array(lengths, dtype=np.int64)
        # By prefix: concepts for which it is the whole pattern, and longer patterns.
        self._certain: list[set[str]] = []
        self._longer: list[list[tuple[str, str, re.Pattern[str] | None]]] = []
        for prefix in prefixes:
            certain = set()
            longer = []
            for concept, pattern in by_prefix[prefix]:
                if _is_whole(pattern):
                    certain.add(concept)
                else:
                    longer.append((concept, pattern, _with_gaps(pattern)))
            self._certain.append(certain)
            self._longer.append(longer)
        firsts = self._codes[:-1] >> 32 & 0xFFFF
        seconds = self._codes[:-1] >> 16 & 0xFFFF
        self._may_begin = np.zeros(_BUCKETS, dtype=np.bool_)
        self._may_begin[_bucket(firsts, seconds)] = True
        self._is_alone = np.zeros(1 << 16, dtype=np.bool_)  # by character
        self._is_alone[firsts[seconds == ord(_NONE)]] = True

    def find(self, lower: str, letters: Codes, bounds: Codes) -> list[set[str]]:
        """Return the concepts whose patterns occur in each sentence.

        `letters` are the code points of `lower`; `bounds` are the sentences' offsets in
        it, sentences x 2. A sentence without Chinese characters has none: "AI" in it is
        left to the English patterns.
        """
        found: list[set[str]] = [set() for _ in bounds]
        chinese = np.append(0, np.cumsum(is_han(letters)))  # before each offset
        if not chinese[-1]:
            return found
        at, prefixes = self._prefixes(letters)
        sentences = np.searchsorted(bounds[:, 0], at, side="right") - 1
        ends = bounds[sentences, 1]
        wanted = (sentences >= 0) & (at + self._lengths[prefixes] <= ends)
        wanted &= chinese[ends] > chinese[bounds[sentences, 0]]
        hits = (column[wanted].tolist() for column in (at, ends, sentences, prefixes))
        for start, end, sentence, prefix in zip(*hits, strict=True):
            found[sentence] |= self._certain[prefix]
            for concept, pattern, gapped in self._longer[prefix]:
                if _matches(lower, start, end, pattern, gapped):
                    found[sentence].add(concept)
        return found

    def _prefixes(self, letters: Codes) -> tuple[Codes, Codes]:
        """Return the offsets of prefixes, and their indices in `_codes`."""
        after = np.append(letters, [0, 0])
        at = np.flatnonzero(self._may_begin[_bucket(letters, after[1:-1])])
        alone = np.flatnonzero(self._is_alone[letters])
        pairs = after[at] << 32 | after[at + 1] << 16
        codes = np.concatenate((pairs, pairs | after[at + 2], after[alone] << 32))
        indices = np.searchsorted(self._codes, codes)
        known = self._codes[indices] == codes
        return np.concatenate((at, at, alone))[known], indices[known]


def _bucket(first: Codes, second: Codes) -> Codes:
    """Return a hash below _BUCKETS of two characters; few pairs of a text collide."""
    return (first * 251 + second) & (_BUCKETS - 1)


def _is_whole(pattern: str) -> bool:
    """Return True if a prefix's code identifies the whole pattern."""
    return len(pattern) <= PREFIX and "~" not in pattern and max(pattern) < BEYOND


def _with_gaps(pattern: str) -> re.Pattern[str] | None:
    """Return the expression of a pattern with gaps, None for one without."""
    if "~" not in pattern:
        return None
    return re.compile(BETWEEN.join(map(re.escape, pattern.split("~"))))


def _matches(
    lower: str, start: int, end: int, pattern: str, gapped: re.Pattern[str] | None
) -> bool:
    if gapped is None:
        return lower.startswith(pattern, start, end)
    return gapped.match(lower, start, end) is not None
