"""Text whose lines were broken at a width (a mail, a press release in plain text) reads as if they had not been.

A break becomes a blank, character by character, so that every offset stays what it was.
"""

from __future__ import annotations

import re
from itertools import pairwise

WIDEST = 120  # characters; longer lines are paragraphs
FEWEST_BREAKS = 3  # in the middle of sentences, before a text counts as wrapped
SHARE = 0.4  # of all breaks between two lines of text; about three in four are, where English is wrapped
FULL = 0.6  # of the width; a shorter line ends its paragraph, or is a heading
LOOKED_AT = 200  # lines
_BREAK = re.compile(
    r"(?<=\S)(\r?\n)(?![\s\-*•·#【]|\(?\d{1,2}[.)]\s)"
)  # an indent or a list mark begins anew
_ENDS = re.compile(r"[.!?:;。！？：；][\"'”’)\]]*$")


def unwrapped(text: str) -> str:
    """The text with as many characters; its paragraphs are lines, where it is wrapped, else it is as it was."""
    lines = text.split("\n", LOOKED_AT)[:LOOKED_AT]
    if len(lines) <= FEWEST_BREAKS or not _is_wrapped(lines):
        return text
    full = FULL * max(len(line) for line in lines)
    begins = 0
    joined = []
    for found in _BREAK.finditer(text):
        line_starts = text.rfind("\n", 0, found.start()) + 1
        if found.start() - line_starts >= full:
            joined += [text[begins : found.start()], " " * len(found[1])]
            begins = found.end()
    return "".join((*joined, text[begins:]))


def _is_wrapped(lines: list[str]) -> bool:
    if max(map(len, lines)) > WIDEST:
        return False
    breaks = [
        (line.rstrip(), after)
        for line, after in pairwise(lines)
        if line.strip() and after.strip()
    ]
    amid = sum(after[0].islower() and not _ENDS.search(line) for line, after in breaks)
    return amid >= max(FEWEST_BREAKS, SHARE * len(breaks))
