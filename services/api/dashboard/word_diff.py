"""The difference of two texts, word by word, within a bounded time. Pure."""

from __future__ import annotations

import difflib
import re

from services.api.dashboard.highlight import Segment

MAX_WORDS = 4_000  # of each text; longer ones are compared by line
# A word with the blanks after it; each Chinese, Japanese or Korean character by itself.
_WORD = re.compile(
    r"[\u3040-\u9fff\uac00-\ud7af]\s*|[^\s\u3040-\u9fff\uac00-\ud7af]+\s*|\s+"
)


def compare(old: str, new: str) -> list[Segment]:
    """Return segments with the label "removed", "added", or none."""
    before = _WORD.findall(old)
    after = _WORD.findall(new)
    if max(len(before), len(after)) > MAX_WORDS:
        before = old.splitlines(True)
        after = new.splitlines(True)
        before = before[:MAX_WORDS]
        after = after[:MAX_WORDS]
    found: list[Segment] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=True)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            found.append(Segment("".join(before[a:b])))
            continue
        if b > a:
            found.append(Segment("".join(before[a:b]), ("removed",)))
        if d > c:
            found.append(Segment("".join(after[c:d]), ("added",)))
    return found
