"""Fold text for comparison: case, width, ligatures, accents, Chinese variants. Pure.

simplified.txt has two lines of equal length: traditional characters, and the simplified
character that OpenCC 1.1 (Apache-2.0, TSCharacters, first choice) gives for each.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

LAST_KEPT = 0xFFFF  # code points beyond are rare, and too many to keep them all
_TABLE = Path(__file__).with_name("simplified.txt")


class _Simplified(dict[int, str]):
    """The simplified character of each; what a text has without one is added as it is.

    A key that is missing costs `str.translate` ten times as much as one that is there.
    """

    def __missing__(self, code: int) -> str:
        if code <= LAST_KEPT:
            self[code] = chr(code)
        return chr(code)


@cache
def _simplified() -> _Simplified:
    traditional, simplified = _TABLE.read_text(encoding="utf-8").splitlines()
    codes = map(ord, traditional)
    return _Simplified(zip(codes, simplified, strict=True))


def simplify(text: str) -> str:
    """Return the text with traditional characters simplified; its length stays."""
    return text.translate(_simplified())


class _Folded(dict[int, str]):
    """What each character folds to, found when it is first met.

    Every step of folding is one of single characters, so `str.translate` takes them all
    in one pass over the text.
    """

    def __missing__(self, code: int) -> str:
        decomposed = unicodedata.normalize("NFKD", chr(code).casefold())
        letters = "".join(c for c in decomposed if not unicodedata.combining(c))
        simplified = simplify(letters).casefold()
        folded = "".join(c if c.isalnum() else " " for c in simplified)
        if code <= LAST_KEPT:
            self[code] = folded
        return folded


_FOLDED = _Folded()


def fold(text: str) -> str:
    """Fold case, width, ligatures, accents and traditional Chinese.

    Words remain, separated by one space.
    """
    return " ".join(fold_characters(text).split())


def fold_characters(text: str) -> str:
    """Fold each character of a text; every other sign becomes a space."""
    return text.translate(_FOLDED)
