"""How many words a text has: the one rule, for events, completeness and alias decisions."""

from __future__ import annotations

import re

CHARS_PER_CJK_WORD = 1.5  # 60 Chinese characters say as much as 40 English words

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")


def count_words(text: str) -> int:
    """Return the number of words; Chinese, Japanese and Korean by characters."""
    cjk = len(_CJK.findall(text))
    return len(_WORD.findall(_CJK.sub(" ", text))) + round(cjk / CHARS_PER_CJK_WORD)
