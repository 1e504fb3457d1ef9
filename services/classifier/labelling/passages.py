"""The passages of a text: the items of a list, or else its paragraphs, each with the heading that stands before it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.classifier.extraction.phrases import AFTER_ARTICLE
from services.classifier.text.sentences import TAIL_CHARS, Span, considered

HEADING_CHARS = 90
HAN_HEADING_CHARS = 32
MIN_ITEMS = 3  # fewer marked lines are an aside in an article, not a list
_LINE = re.compile(r"[^\n\r]+")
_ITEM = re.compile(
    r"(?<![^\S\n\r])[^\S\n\r]*+(?:[-*•·▪►‣●○◆■]\s+|\(?\d{1,2}[.)、．]\s*(?=\D)|[一二三四五六七八九十]{1,3}[、．.]\s*|【|#{1,4}\s)"
)
_ENDS_SENTENCE = re.compile(r"[.!。！；;,，:：…][\"'”’」）)]*\s*$")
_HAN = re.compile("[\u4e00-\u9fff]")
END_SHARE = 0.6  # of a text; such a line before it may be anything


@dataclass(frozen=True, kw_only=True)
class Passage:
    """`span` in code points of the text, heading included; `item`: it began with the mark of a list."""

    span: Span
    heading: str
    item: bool


def article_end(text: str) -> int:
    """Where the article ends and the page goes on, in code points; the length of the text where it does not. Of a very
    long text only the tail is looked at, as only that is read."""
    found = AFTER_ARTICLE.search(
        text, max(int(len(text) * END_SHARE), len(text) - TAIL_CHARS)
    )
    return len(text[: found.start()].rstrip()) if found else len(text)


def passages(text: str) -> list[Passage]:
    """Return the passages in the order of the text."""
    lines = [
        m.span()
        for start, end in considered(text)
        for m in _LINE.finditer(text, start, end)
    ]
    lines = [line for line in lines if text[line[0] : line[1]].strip()]
    marked = [bool(_ITEM.match(text, *line)) for line in lines]
    return (
        _items(text, lines, marked)
        if sum(marked) >= MIN_ITEMS
        else _paragraphs(text, lines)
    )


def _items(text: str, lines: list[Span], marked: list[bool]) -> list[Passage]:
    """From each marked line to the next one; what stands before the first mark is a passage of its own."""
    starts = sorted({0, *(index for index, mark in enumerate(marked) if mark)})
    ends = [*starts[1:], len(lines)]
    found = []
    for first, after in zip(starts, ends, strict=True):
        heading = (
            text[lines[first][0] : lines[first][1]].strip() if after - first > 1 else ""
        )
        found.append(
            Passage(
                span=(lines[first][0], lines[after - 1][1]),
                heading=heading if _is_heading(heading) else "",
                item=marked[first],
            )
        )
    return found


def _paragraphs(text: str, lines: list[Span]) -> list[Passage]:
    """Return a passage per line; a line that looks like a heading joins the next one."""
    found: list[Passage] = []
    begin, heading = -1, ""
    for index, (start, end) in enumerate(lines):
        begin = start if begin < 0 else begin
        if _is_heading(text[start:end]) and index + 1 < len(lines):
            heading = text[start:end].strip()
            continue
        found.append(Passage(span=(begin, end), heading=heading, item=False))
        begin, heading = -1, ""
    return found


def _is_heading(line: str) -> bool:
    line = line.strip()
    limit = HAN_HEADING_CHARS if _HAN.search(line) else HEADING_CHARS
    return 0 < len(line) <= limit and not _ENDS_SENTENCE.search(line)
