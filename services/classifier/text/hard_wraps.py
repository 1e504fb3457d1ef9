"""Joins lines broken at a fixed width, as in mails and plain-text press releases.

Each character of a line break becomes a blank, so all offsets stay valid.
"""

from __future__ import annotations

import re
from itertools import pairwise

WIDEST = 120  # characters; longer lines are paragraphs
FEWEST_BREAKS = 3  # within sentences, for a text to count as wrapped
SHARE = 0.4  # of all breaks between lines of text; about 0.75 in wrapped English
FULL = 0.6  # of the width; a shorter line ends its paragraph, or is a heading
SAMPLE_LINES = 200
# An indent or a list mark begins a paragraph.
_BREAK = re.compile(r"(?<=\S)(\r?\n)(?![\s\-*•·#【]|\(?\d{1,2}[.)]\s)")
_ENDS = re.compile(r"[.!?:;。！？：；][\"'”’)\]]*$")


def unwrapped(text: str) -> str:
    """Return a text of the same length, with one line per paragraph if it is wrapped."""
    lines = text.split("\n", SAMPLE_LINES)[:SAMPLE_LINES]
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
    within = sum(
        after[0].islower() and not _ENDS.search(line) for line, after in breaks
    )
    return within >= max(FEWEST_BREAKS, SHARE * len(breaks))
