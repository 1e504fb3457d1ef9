"""Unicode normal forms at linear cost.

Sorting a run of combining marks is quadratic in Python: 64,000 of them take 4 s. A run
is therefore cut at MAX_MARKS, the bound of Unicode's Stream-Safe Text Format
(https://unicode.org/reports/tr15/#UAX15-D3), which no language exceeds.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Literal

MAX_MARKS = 30
_FIRST_MARK = 0x300  # of the code points with a combining class
_LAST_MARK = 0x1E94A


def normalize(form: Literal["NFC", "NFKC", "NFD", "NFKD"], text: str) -> str:
    """Return `text` in a normal form, runs of combining marks cut at MAX_MARKS."""
    if text.isascii():
        return text
    if _long_runs().search(text):
        text = _long_runs().sub(r"\1", text)
    return unicodedata.normalize(form, text)


@cache
def _long_runs() -> re.Pattern[str]:
    codes = range(_FIRST_MARK, _LAST_MARK + 1)
    all_marks = [chr(code) for code in codes if unicodedata.combining(chr(code))]
    marks = re.escape("".join(all_marks))
    # A search for one class is fast, unless it has many ranges beyond 16 bits. So the
    # first mark is found by a class with all characters there.
    near = re.escape("".join(mark for mark in all_marks if mark < "\U00010000"))
    first = f"[{near}\U00010000-\U0010ffff](?<=[{marks}])"
    return re.compile(f"({first}[{marks}]{{{MAX_MARKS - 1}}})[{marks}]+")
