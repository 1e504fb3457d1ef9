"""Divide a Chinese compound, so that a text that divides it is found too. Pure.

人脸识别 is written as one word, 摄像头偷拍 is often divided by other words: 摄像头被用来偷拍.
A word that nobody put in quotes is therefore looked for as a phrase, or as two parts
near each other in the title or in the text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

from services.api.text.folding import fold

RUN = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+"
)
NEAR = 12  # tokens between two parts, for Chinese about as many characters
LEAST = 2  # characters of a part
LONGEST = 12  # characters of a word that is divided; longer ones are quotations

Parts = tuple[str, str]


def divisions(word: str) -> list[Parts]:
    """Return the ways to divide a word, each as two parts in folded form.

    A run of ideographs is divided at each place that leaves two characters on both
    sides; ideographs beside other letters (AI绘图) are divided from these.
    """
    folded = fold(word)
    if " " in folded or len(folded) > LONGEST:
        return []
    found = RUN.search(folded)
    if found is None:
        return []
    if found[0] == folded:
        places = range(LEAST, len(folded) - LEAST + 1)
        return [(folded[:at], folded[at:]) for at in places]
    at = found.start() or found.end()
    parts = (folded[:at], folded[at:])
    is_one_run = len(RUN.findall(folded)) == 1 and len(found[0]) >= LEAST
    is_at_end = found.start() == 0 or found.end() == len(folded)
    return [parts] if is_one_run and is_at_end else []


def is_near(first: Sequence[str], second: Sequence[str], tokens: Sequence[str]) -> bool:
    """Return whether two phrases occur with at most NEAR tokens between them.

    Either may come first; the same answer as FTS5's NEAR.
    """
    starts = _places(first, tokens)
    others = _places(second, tokens)
    return any(_is_within(others, at - len(second) - NEAR, at) for at in starts) or any(
        _is_within(starts, at - len(first) - NEAR, at) for at in others
    )


def _places(phrase: Sequence[str], tokens: Sequence[str]) -> list[int]:
    """Return where a phrase begins, in order."""
    size = len(phrase)
    wanted = list(phrase)
    return [
        at
        for at, token in enumerate(tokens)
        if token == wanted[0] and list(tokens[at : at + size]) == wanted
    ]


def _is_within(places: Sequence[int], least: int, most: int) -> bool:
    at = bisect_left(places, least)
    return at < len(places) and places[at] <= most
