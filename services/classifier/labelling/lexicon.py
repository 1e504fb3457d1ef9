"""Find the concepts of lexicon.toml in sentences.

English patterns are sequences of words; for Chinese see chinese_patterns.py.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from services.classifier.labelling.chinese_patterns import ChinesePatternMatcher
from services.classifier.text.bigrams import Codes

MAX_WORDS_BETWEEN = 3
_REMEMBERED = 50_000  # words, pairs of words, and sets of concepts

_Pattern = tuple[str, tuple[str, ...]]  # concept, all words but the first


class Lexicon:
    """Immutable after construction, except for a bounded cache of lookups."""

    def __init__(self, concepts: dict[str, Any]) -> None:
        self.digest = hashlib.sha256(repr(concepts).encode()).hexdigest()
        self._exact: dict[str, list[_Pattern]] = {}
        self._begins: dict[str, list[_Pattern]] = {}
        self._begin_lengths: tuple[int, ...] = ()
        self._starting = lru_cache(_REMEMBERED)(self._patterns_of)
        self._continuing = lru_cache(_REMEMBERED)(self._decided_by_two)
        self.meaning = lru_cache(_REMEMBERED)(self._meaning)
        groups = concepts.get("group", {})
        self._groups = tuple(
            (name, frozenset(group["of"])) for name, group in groups.items()
        )
        signals = concepts.get("signal", {})
        self._signals = tuple(
            (
                name,
                tuple(map(frozenset, signal["when"])),
                frozenset(signal.get("unless", ())),
            )
            for name, signal in signals.items()
        )
        for concept, patterns in concepts.items():
            for pattern in patterns.get("en", ()):
                self._add_words(concept, pattern)
        self._begin_lengths = tuple(sorted({len(begin) for begin in self._begins}))
        self._runs = ChinesePatternMatcher(
            (concept, one)
            for concept, patterns in concepts.items()
            for one in patterns.get("zh", ())
        )

    @classmethod
    def load(cls, path: Path) -> Lexicon:
        with path.open("rb") as file:
            return cls(tomllib.load(file))

    def _add_words(self, concept: str, pattern: str) -> None:
        first, *rest = pattern.split()
        table = self._begins if first.endswith("*") else self._exact
        table.setdefault(first.rstrip("*"), []).append((concept, tuple(rest)))

    def _patterns_of(self, word: str) -> tuple[_Pattern, ...]:
        """Return the patterns that begin with `word`."""
        patterns = list(self._exact.get(word, ()))
        for length in self._begin_lengths:
            if length <= len(word):
                patterns += self._begins.get(word[:length], ())
        return tuple(patterns)

    def _decided_by_two(
        self, word: str, after: str
    ) -> tuple[frozenset[str], tuple[_Pattern, ...]]:
        """Return the concepts that `word` before `after` has, and the patterns that it
        may begin. `after` is empty at the end of a sentence."""
        words = [word, after] if after else [word]
        certain = set()
        longer = []
        for concept, rest in self._starting(word):
            needed = [wanted for wanted in rest if wanted[0] != "!"]
            if len(needed) > 1:
                if needed[0] == "~" or _fits(after, needed[0]):
                    longer.append((concept, rest))
            elif _follows(words, 1, rest):
                certain.add(concept)
        return frozenset(certain), tuple(longer)

    def _meaning(
        self, concepts: frozenset[str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the concepts of a sentence with their groups, sorted, and its signals."""
        groups = {
            name for name, members in self._groups if not members.isdisjoint(concepts)
        }
        present = concepts | groups
        return tuple(sorted(present)), tuple(self._signalled(present))

    def _signalled(self, present: frozenset[str]) -> Iterator[str]:
        for name, lists, unless in self._signals:
            if unless.isdisjoint(present) and any(
                wanted <= present for wanted in lists
            ):
                yield name

    def in_words(self, words: list[str]) -> set[str]:
        """Return the concepts whose English patterns occur in `words` (lower case)."""
        found: set[str] = set()
        after = [*words[1:], ""]
        for index, patterns in enumerate(map(self._starting, words)):
            if patterns:
                certain, longer = self._continuing(words[index], after[index])
                found |= certain
                for concept, rest in longer:
                    if concept not in found and _follows(words, index + 1, rest):
                        found.add(concept)
        return found

    def in_runs(self, lower: str, letters: Codes, bounds: Codes) -> list[set[str]]:
        """Return the concepts whose Chinese patterns occur in each sentence."""
        return self._runs.find(lower, letters, bounds)


def _follows(words: list[str], index: int, rest: tuple[str, ...]) -> bool:
    """Return True if `rest` matches at `index`.

    "~" matches up to MAX_WORDS_BETWEEN words, "!word" anything but that word.
    """
    for position, wanted in enumerate(rest):
        if wanted == "~":
            return _follows_soon(words, index, rest[position + 1 :])
        if wanted.startswith("!"):
            if index < len(words) and words[index] == wanted[1:]:
                return False
            continue
        if index >= len(words):
            return False
        if not _fits(words[index], wanted):
            return False
        index += 1
    return True


def _fits(word: str, wanted: str) -> bool:
    if wanted.endswith("*"):
        return word.startswith(wanted[:-1])
    return word == wanted


def _follows_soon(words: list[str], index: int, rest: tuple[str, ...]) -> bool:
    last = min(index + MAX_WORDS_BETWEEN, len(words) - 1)
    return any(_follows(words, start, rest) for start in range(index, last + 1))
