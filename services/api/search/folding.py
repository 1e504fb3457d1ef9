"""Fold text for comparison: case, width, ligatures, accents, Chinese variants. Pure.

simplified.txt has two lines of equal length: traditional characters, and the simplified
character that OpenCC 1.1 (Apache-2.0, TSCharacters, first choice) gives for each.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path

_NOT_WORD = re.compile(r"[\W_]+")
_TABLE = Path(__file__).with_name("simplified.txt")


@cache
def _simplified() -> dict[int, str]:
    traditional, simplified = _TABLE.read_text(encoding="utf-8").splitlines()
    return {ord(a): b for a, b in zip(traditional, simplified, strict=True)}


def simplify(text: str) -> str:
    """Return the text with traditional characters simplified; its length stays."""
    return text.translate(_simplified())


def fold(text: str) -> str:
    """Fold case, width, ligatures, accents and traditional Chinese.

    Words remain, separated by one space.
    """
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text.casefold())
        text = "".join(c for c in decomposed if not unicodedata.combining(c))
        text = text.translate(_simplified())
    return _NOT_WORD.sub(" ", text.casefold()).strip()
