"""The passage of a stored text that shows why it was found. Pure and linear."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any as AnyValue

from incidentwire.stem import stem
from services.api.filters.parser import All, Any, Node, Words
from services.api.text.compounds import RUN, divisions
from services.api.text.folding import fold, simplify
from services.api.text.index_terms import ENGLISH

WIDTH = 240  # code points of a snippet
BEFORE = 60  # of them before the first hit
EXAMINED = 100_000  # code points of a text; later hits are found but not shown
MAX_HITS = 20
STEM_END = 2  # letters of a stem that a word may have otherwise: dying, die
_REST = r"[^\W_]*"  # of a word
_NOTHING = r"(?!)"  # matches nowhere
_WITH_OTHERS = (
    r"[0-9A-Za-z]*[^\W_\x00-\x7f][^\W_]*"  # a word with a letter outside ASCII
)


@dataclass(frozen=True, kw_only=True)
class SearchTerms:
    """What a query looks for: whole words, beginnings, stems, and runs of ideographs.

    `runs` and `parts`, those of divided runs, have the longest first.
    """

    words: frozenset[str]
    prefixes: tuple[str, ...]
    stems: frozenset[str]
    runs: tuple[str, ...]
    parts: tuple[str, ...] = ()


def search_terms(node: Node) -> SearchTerms:
    """Return what the positive words of a query look for."""
    words: set[str] = set()
    prefixes: set[str] = set()
    runs: set[str] = set()
    parts_of_runs: set[str] = set()
    for found in _words(node):
        parts = fold(found.text).split()
        runs.update(run for part in parts for run in RUN.findall(part))
        if not found.quoted:
            divided = divisions(found.text)
            parts_of_runs.update(part for pair in divided for part in pair)
        plain = [word for part in parts for word in RUN.sub(" ", part).split()]
        if found.prefix and plain:
            prefixes.add(plain.pop())
        words.update(plain)
    stems = frozenset(stem(word) for word in words if ENGLISH.fullmatch(word))
    return SearchTerms(
        words=frozenset(words),
        prefixes=tuple(sorted(prefixes)),
        stems=stems,
        runs=_longest_first(runs),
        parts=_longest_first(parts_of_runs - runs),
    )


def snippet(text: str, asked: SearchTerms) -> dict[str, AnyValue]:
    """Return the passage around the first hit.

    `start` and `end` are code points of the text, of which there are `length`; `hits` are
    pairs of them within the passage, `text` is the passage itself. Without a hit it is
    the beginning of the text.
    """
    hits = _hits(text[:EXAMINED], asked)
    start = max(0, hits[0][0] - BEFORE) if hits else 0
    if start:
        space = text.find(" ", start, hits[0][0])
        start = space + 1 if space >= 0 else start
    end = _end(text, start)
    shown = [(a, b) for a, b in hits if a >= start and b <= end]
    return {
        "text": text[start:end],
        "start": start,
        "end": end,
        "length": len(text),
        "hits": shown[:MAX_HITS],
    }


def _longest_first(words: set[str]) -> tuple[str, ...]:
    return tuple(sorted(words, key=lambda word: (-len(word), word)))


def _end(text: str, start: int) -> int:
    """Return the end of the passage: that of a word, in scripts with spaces."""
    end = min(len(text), start + WIDTH)
    if end == len(text) or text[end].isspace():
        return end
    space = text.rfind(" ", end - BEFORE, end)
    return space if space >= 0 else end


def _words(node: Node) -> Sequence[Words]:
    match node:
        case Words():
            return [node]
        case All() | Any():
            return [found for part in node.parts for found in _words(part)]
        case _:
            return []


def _hits(text: str, asked: SearchTerms) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    is_plain = text.isascii()
    text = text.lower() if is_plain else text
    for match in _candidates(asked, is_plain).finditer(text):
        start = match.start()
        if found and start > found[0][0] + WIDTH:
            break
        if is_plain and text[start - 1 : start].isalnum():
            continue
        word = match[0]
        if asked.runs and RUN.search(word):
            found += _runs_within(word, start, asked)
            continue
        folded = word if is_plain else fold(word)
        is_hit = folded in asked.words or folded.startswith(asked.prefixes)
        if not is_hit and asked.stems and ENGLISH.fullmatch(folded):
            is_hit = stem(folded) in asked.stems
        if is_hit and folded:
            found.append(match.span())
    return found


@lru_cache(maxsize=512)
def _candidates(asked: SearchTerms, is_plain: bool) -> re.Pattern[str]:
    """Return a pattern of the words that may be hits: the others are not looked at.

    These are the words with a beginning that is wanted, and all with a letter outside
    ASCII, which folding may change. A word and its stem begin alike, but for the last
    two letters of the stem. The pattern looks at each character twice at most.

    A plain text is ASCII in small letters: there the pattern begins with the wanted
    letters, which are found ten times as fast, and may match within a word.
    """
    heads = {root[: max(1, len(root) - STEM_END)] for root in asked.stems}
    heads |= {word for word in (*asked.words, *asked.prefixes) if word.isascii()}
    beginnings = [f"{re.escape(head)}{_REST}" for head in sorted(heads)]
    if is_plain:
        return re.compile("|".join(beginnings) or _NOTHING)
    return re.compile(
        rf"(?<![^\W_])(?:{'|'.join([*beginnings, _WITH_OTHERS])})", re.IGNORECASE
    )


def _runs_within(word: str, offset: int, asked: SearchTerms) -> list[tuple[int, int]]:
    """Return where the runs, else their parts, are in a word; no two overlap.

    Places are code points of the whole text.
    """
    folded = simplify(word)  # keeps offsets
    pattern = "|".join(map(re.escape, (*asked.runs, *asked.parts)))
    return [
        (offset + match.start(), offset + match.end())
        for match in re.finditer(pattern, folded)
    ]
