"""Names in titles, simply and honestly: runs of capitalised words in scripts that have capitals. Pure.

No language model is used. Titles in Title Case say nothing about names and are left out, and a first word
counts only as part of a run of several, or where another title has it in its middle.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

WORD = re.compile(r"[^\W\d_][\w'’&.-]*\w|[^\W\d_]")
GAP = re.compile(r"\s+")  # what may stand within a name
TITLE_CASE = (
    0.6  # share of capitalised words from which a title is taken for Title Case
)
MOST = 12


def names(titles: Iterable[str]) -> list[tuple[str, int]]:
    """(name, how many titles have it), the most frequent first."""
    sure = Counter[str]()
    first = Counter[str]()
    for title in titles:
        inner, opening = _runs(title)
        sure.update(inner)
        first.update(opening)
    for name, count in first.items():
        if " " in name or name in sure:
            sure[name] += count
    return sorted(sure.items(), key=lambda found: (-found[1], found[0]))[:MOST]


def _runs(title: str) -> tuple[set[str], set[str]]:
    """Return the runs inside the title, and the one that opens it."""
    words = list(WORD.finditer(title))
    capital = [word[0][0].isupper() for word in words]
    if sum(capital[1:]) > TITLE_CASE * max(1, len(words) - 1):
        return set(), set()
    inner = set[str]()
    opening = set[str]()
    at = 0
    while at < len(words):
        if not capital[at]:
            at += 1
            continue
        end = at
        while (
            end + 1 < len(words)
            and capital[end + 1]
            and GAP.fullmatch(title[words[end].end() : words[end + 1].start()])
        ):
            end += 1
        (inner if at else opening).add(title[words[at].start() : words[end].end()])
        at = end + 1
    return inner, opening
