"""Find the concepts of lexicon.toml in sentences.

English patterns are sequences of words; for Chinese see chinese_patterns.py.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from services.classifier.labelling.chinese_patterns import ChinesePatternMatcher
from services.classifier.text.bigrams import Codes

MAX_WORDS_BETWEEN = 3
_REMEMBERED = 50_000  # words, and sets of concepts

_Pattern = tuple[str, tuple[str, ...]]  # concept, all words but the first


class _Beginning(NamedTuple):
    """The patterns that begin with a word, by what must follow for them to match."""

    alone: frozenset[str]  # concepts for which the word is the whole pattern
    exact: dict[str, tuple[_Pattern, ...]]  # by the second word
    prefixes: tuple[str, ...]
    prefixed: tuple[_Pattern, ...]  # with a second word that starts with a prefix
    near: frozenset[str]
    near_prefixes: tuple[str, ...]
    gapped: tuple[_Pattern, ...]  # with a gap, and then a word of these two
    others: tuple[_Pattern, ...]

    def possible(self, words: list[str], index: int) -> tuple[_Pattern, ...]:
        """Return the patterns that the word before `index` may begin."""
        second = words[index] if index < len(words) else ""
        found = self.others + self.exact.get(second, ())
        if second.startswith(self.prefixes):
            found += self.prefixed
        if self.gapped:
            soon = words[index : index + MAX_WORDS_BETWEEN + 1]
            if not self.near.isdisjoint(soon) or any(
                word.startswith(self.near_prefixes) for word in soon
            ):
                found += self.gapped
        return found


class Lexicon:
    """Immutable after construction, except for a bounded cache of lookups."""

    def __init__(self, concepts: dict[str, Any]) -> None:
        self.digest = hashlib.sha256(repr(concepts).encode()).hexdigest()
        self._exact: dict[str, list[_Pattern]] = {}
        self._begins: dict[str, list[_Pattern]] = {}
        self._begin_lengths: tuple[int, ...] = ()
        self._beginning = lru_cache(_REMEMBERED)(self._begun_by)
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

    def _begun_by(self, word: str) -> _Beginning | None:
        """Return the patterns that begin with `word`, None if there are none."""
        patterns = list(self._exact.get(word, ()))
        for length in self._begin_lengths:
            if length <= len(word):
                patterns += self._begins.get(word[:length], ())
        return _beginning(patterns) if patterns else None

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
        beginnings = [
            (after, begun)
            for after, begun in enumerate(map(self._beginning, words), 1)
            if begun is not None
        ]
        for after, begun in beginnings:
            found |= begun.alone
            for concept, rest in begun.possible(words, after):
                if concept not in found and _follows(words, after, rest):
                    found.add(concept)
        return found

    def in_runs(self, lower: str, letters: Codes, bounds: Codes) -> list[set[str]]:
        """Return the concepts whose Chinese patterns occur in each sentence."""
        return self._runs.find(lower, letters, bounds)


def _beginning(patterns: list[_Pattern]) -> _Beginning:
    """Return patterns with one first word by what must follow."""
    exact: dict[str, tuple[_Pattern, ...]] = {}
    prefixed: dict[str, tuple[_Pattern, ...]] = {}
    gapped: dict[str, tuple[_Pattern, ...]] = {}
    others = []
    for pattern in patterns:
        rest = pattern[1]
        if not rest:
            continue
        if rest[0][0] == "!" or (rest[0] == "~" and rest[1][0] in "!~"):
            others.append(pattern)
        elif rest[0] == "~":
            gapped[rest[1]] = (*gapped.get(rest[1], ()), pattern)
        elif rest[0].endswith("*"):
            prefixed[rest[0][:-1]] = (*prefixed.get(rest[0][:-1], ()), pattern)
        else:
            exact[rest[0]] = (*exact.get(rest[0], ()), pattern)
    near = {word for word in gapped if not word.endswith("*")}
    return _Beginning(
        alone=frozenset(concept for concept, rest in patterns if not rest),
        exact=exact,
        prefixes=tuple(prefixed),
        prefixed=tuple(chain.from_iterable(prefixed.values())),
        near=frozenset(near),
        near_prefixes=tuple(word[:-1] for word in gapped if word not in near),
        gapped=tuple(chain.from_iterable(gapped.values())),
        others=tuple(others),
    )


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
