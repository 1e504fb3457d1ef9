"""The passages of a text: the items of a list, else its paragraphs, with their headings."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.classifier.extraction.phrases import AFTER_ARTICLE
from services.classifier.text.sentences import TAIL_CHARS, Span, considered

HEADING_CHARS = 90
HAN_HEADING_CHARS = 32
MIN_ITEMS = 3  # fewer marked lines are an aside in an article, not a list
END_SHARE = 0.6  # of a text; a line such as "©" before it may be anything
_LINE = re.compile(r"[^\n\r]+")
_ITEM = re.compile(
    r"(?<![^\S\n\r])[^\S\n\r]*+(?:[-*•·▪►‣●○◆■]\s+|\(?\d{1,2}[.)、．]\s*(?=\D)|[一二三四五六七八九十]{1,3}[、．.]\s*|【|#{1,4}\s)"
)
_ENDS_SENTENCE = re.compile(r"[.!。！；;,，:：…][\"'”’」）)]*\s*$")
_HAN = re.compile("[\u4e00-\u9fff]")


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A passage. `span` is in code points of the text and includes the heading.

    `item` is True if it begins with the mark of a list.
    """

    span: Span
    heading: str
    item: bool


def article_end(text: str) -> int:
    """Return the end of the article in code points, before the page's footer.

    Return the length of the text if there is no footer. Only the tail of a long text is
    searched, as only that is read.
    """
    start = max(int(len(text) * END_SHARE), len(text) - TAIL_CHARS)
    found = AFTER_ARTICLE.search(text, start)
    return len(text[: found.start()].rstrip()) if found else len(text)


def passages(text: str) -> list[Passage]:
    """Return the passages in the order of the text."""
    lines = []
    for start, end in considered(text):
        spans = (match.span() for match in _LINE.finditer(text, start, end))
        lines += [span for span in spans if text[span[0] : span[1]].strip()]
    marked = [bool(_ITEM.match(text, *line)) for line in lines]
    if sum(marked) >= MIN_ITEMS:
        return _items(text, lines, marked)
    return _paragraphs(text, lines)


def _items(text: str, lines: list[Span], marked: list[bool]) -> list[Passage]:
    """Return a passage from each marked line to the next, and one before the first."""
    starts = sorted({0, *(index for index, mark in enumerate(marked) if mark)})
    ends = [*starts[1:], len(lines)]
    found = []
    for first, end in zip(starts, ends, strict=True):
        start = lines[first][0]
        opening = text[start : lines[first][1]].strip()
        is_heading = end - first > 1 and _is_heading(opening)
        found.append(
            Passage(
                span=(start, lines[end - 1][1]),
                heading=opening if is_heading else "",
                item=marked[first],
            )
        )
    return found


def _paragraphs(text: str, lines: list[Span]) -> list[Passage]:
    """Return a passage per line; a line that looks like a heading joins the next one."""
    found: list[Passage] = []
    begin = -1  # of the heading before this line
    heading = ""
    for index, (start, end) in enumerate(lines):
        begin = start if begin < 0 else begin
        if _is_heading(text[start:end]) and index + 1 < len(lines):
            heading = text[start:end].strip()
            continue
        found.append(Passage(span=(begin, end), heading=heading, item=False))
        begin = -1
        heading = ""
    return found


def _is_heading(line: str) -> bool:
    line = line.strip()
    limit = HAN_HEADING_CHARS if _HAN.search(line) else HEADING_CHARS
    return 0 < len(line) <= limit and not _ENDS_SENTENCE.search(line)
