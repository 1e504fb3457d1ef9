"""Where sentences begin and end: English and Chinese, as code-point offsets into the text as it was given.

Nothing is normalised, so a span can be shown to a reader, or kept in the log, without a mapping back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

HEAD_CHARS = 60_000  # read from the beginning; 99 % of news texts are far shorter, a feature has about 20,000
TAIL_CHARS = (
    20_000  # read from the end of anything longer; what lies between is not judged
)
LONG_SENTENCE_CHARS = (
    400  # beyond it a sentence is cut at clauses, so that evidence stays quotable
)
LONGEST_CLAUSE_CHARS = 600  # a line without any mark (base64, a table) is cut here, at a space if there is one

# A class stands first: most characters are passed over by it, at a fraction of the time that alternatives would take.
_STOP = re.compile(
    r"[.!?…。！？；\n\r\u2028\u2029](?:"
    r"(?<=[.!?…])(?<![.!?…].)[.!?…]*+[\"'”’)\]»]*+(?=\s)|(?<=[。！？!?；])[。！？!?；]*[”’」』）)\"]*"
    r"|(?<=\n)\n*|(?<=\r)\r*|(?<=[\u2028\u2029]))"
)
_CLAUSE = re.compile(r"[;:—–](?=\s)|,\s|[，；：、—]")
_WORD_BEFORE = re.compile(r"([^\s(\[“\"]{1,12})\.$")
_OPENS = re.compile(r"\s*[\"'“‘(\[]*([^\W\d_]|\d)")
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof st sen rep gov gen lt col capt sgt rev hon jr sr vs etc inc ltd co corp no nos art sec fig"
    " e.g i.e u.s u.k u.n e.u d.c a.m p.m jan feb mar apr jun jul aug sep sept oct nov dec approx est dept univ".split()
)


def considered(text: str) -> list[Span]:
    """The stretches of `text` that are read: all of it, or head and tail of a very long one."""
    if len(text) <= HEAD_CHARS + TAIL_CHARS:
        return [(0, len(text))]
    return [(0, HEAD_CHARS), (len(text) - TAIL_CHARS, len(text))]


def sentences(text: str) -> list[Span]:
    """Spans of the sentences (of a very long sentence: its clauses), in order, without surrounding white space."""
    found: list[Span] = []
    for start, end in considered(text):
        for first, last in _sentences(text, start, end):
            if last - first <= LONG_SENTENCE_CHARS:
                found.append((first, last))
            else:
                found.extend(_clauses(text, first, last))
    return found


def _sentences(text: str, start: int, end: int) -> Iterator[Span]:
    begin = start
    for stop in _STOP.finditer(text, start, end):
        mark, after = stop.span()
        if text[mark] != "." or _ends_sentence(text, begin, mark, after):
            yield from _trimmed(text, begin, after)
            begin = after
    yield from _trimmed(text, begin, end)


def _ends_sentence(text: str, begin: int, stop: int, after: int) -> bool:
    """False where the full stop is part of an abbreviation, an initial, or followed by a lower-case word."""
    before = _WORD_BEFORE.search(text, max(begin, stop - 13), stop + 1)
    if before:
        word = before.group(1).lower()
        if word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha()):
            return "\n" in text[after : after + 1]
    follows = _OPENS.match(text, after, after + 8)
    return not follows or not follows.group(1).islower()


def _clauses(text: str, start: int, end: int) -> Iterator[Span]:
    """A long sentence in pieces of at most LONGEST_CLAUSE_CHARS, cut after a mark once 120 characters are in."""
    begin = start
    for mark in _CLAUSE.finditer(text, start, end):
        while mark.end() - begin > LONGEST_CLAUSE_CHARS:
            cut = _cut(text, begin)
            yield from _trimmed(text, begin, cut)
            begin = cut
        if mark.end() - begin >= 120:
            yield from _trimmed(text, begin, mark.end())
            begin = mark.end()
    while end - begin > LONGEST_CLAUSE_CHARS:
        cut = _cut(text, begin)
        yield from _trimmed(text, begin, cut)
        begin = cut
    yield from _trimmed(text, begin, end)


def _cut(text: str, begin: int) -> int:
    """Where to cut a run without marks: after its last space, or hard."""
    space = text.rfind(" ", begin + 1, begin + LONGEST_CLAUSE_CHARS)
    return (
        space + 1
        if space > begin + LONGEST_CLAUSE_CHARS // 2
        else begin + LONGEST_CLAUSE_CHARS
    )


def _trimmed(text: str, start: int, end: int) -> tuple[Span, ...]:
    """The span without surrounding white space; none where that is all."""
    piece = text[start:end]
    last = start + len(piece.rstrip())
    return ((last - len(piece[: last - start].lstrip()), last),) if last > start else ()
