"""Find the concepts of lexicon.toml in sentences.

English patterns are sequences of words; for Chinese see chinese_patterns.py.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.classifier.labelling.chinese_patterns import ChinesePatternMatcher
from services.classifier.text.bigrams import Codes

MAX_WORDS_BETWEEN = 3
_REMEMBERED = 50_000  # words, and sets of concepts; beyond it the cache is emptied

# Concept, how the second word begins ("" if anything may follow), all words but the first.
_Pattern = tuple[str, str, tuple[str, ...]]


class Lexicon:
    """Immutable after construction, except for a bounded cache of lookups."""

    def __init__(self, concepts: dict[str, Any]) -> None:
        self.digest = hashlib.sha256(repr(concepts).encode()).hexdigest()
        self._exact: dict[str, list[_Pattern]] = {}
        self._begins: dict[str, list[_Pattern]] = {}
        self._begin_lengths: tuple[int, ...] = ()
        self._known: dict[str, tuple[_Pattern, ...]] = {}
        self._meanings: dict[
            frozenset[str], tuple[tuple[str, ...], tuple[str, ...]]
        ] = {}
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
        second = rest[0].rstrip("*") if rest and rest[0][0] not in "~!" else ""
        table.setdefault(first.rstrip("*"), []).append((concept, second, tuple(rest)))

    def _starting(self, word: str) -> tuple[_Pattern, ...]:
        """Return the patterns that begin with `word`; cached."""
        patterns = list(self._exact.get(word, ()))
        for length in self._begin_lengths:
            patterns += (
                self._begins.get(word[:length], ()) if length <= len(word) else ()
            )
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[word] = tuple(patterns)
        return self._known[word]

    def meaning(
        self, concepts: frozenset[str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the concepts of a sentence with their groups, sorted, and its signals."""
        if concepts not in self._meanings:
            if len(self._meanings) >= _REMEMBERED:
                self._meanings.clear()
            groups = {
                name
                for name, members in self._groups
                if not members.isdisjoint(concepts)
            }
            present = concepts | groups
            self._meanings[concepts] = (
                tuple(sorted(present)),
                tuple(self._signalled(present)),
            )
        return self._meanings[concepts]

    def _signalled(self, present: frozenset[str]) -> Iterator[str]:
        for name, lists, unless in self._signals:
            if unless.isdisjoint(present) and any(
                wanted <= present for wanted in lists
            ):
                yield name

    def in_words(self, words: list[str]) -> set[str]:
        """Return the concepts whose English patterns occur in `words` (lower case)."""
        found: set[str] = set()
        known = self._known
        after = [*words[1:], ""]
        for index, word in enumerate(words):
            patterns = known[word] if word in known else self._starting(word)
            for concept, second, rest in patterns:
                if (
                    concept not in found
                    and after[index].startswith(second)
                    and (not rest or _follows(words, index + 1, rest))
                ):
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
        word = words[index]
        if not (
            word.startswith(wanted[:-1]) if wanted.endswith("*") else word == wanted
        ):
            return False
        index += 1
    return True


def _follows_soon(words: list[str], index: int, rest: tuple[str, ...]) -> bool:
    last = min(index + MAX_WORDS_BETWEEN, len(words) - 1)
    return any(_follows(words, start, rest) for start in range(index, last + 1))
