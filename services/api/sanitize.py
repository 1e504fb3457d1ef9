"""Strangers' words in files that other programs open: spreadsheets and feed readers. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

# https://owasp.org/www-community/attacks/CSV_Injection; full-width forms after NFKC
FORMULA = ("=", "+", "-", "@")
# Marks without a width that scripts need, which may stand before a formula.
_WIDTHLESS = "\u180e\u200c\u200d"
# C0 except tab and line feed, DEL, C1, bidi controls, invisible marks, non-characters
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)


def printable(text: str | None) -> str:
    """Return the text on one line, without control and direction characters."""
    return " ".join(_UNPRINTABLE.sub("", text or "").split())


def defused(value: Any) -> Any:
    """Return a cell that a spreadsheet does not take for a formula."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    seen = text.lstrip(_WIDTHLESS)
    if unicodedata.normalize("NFKC", seen[:1]).startswith(FORMULA):
        return f"'{text}"
    return text
