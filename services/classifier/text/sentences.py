"""Splits English and Chinese text into sentences.

Spans are code-point offsets into the text as given. Nothing is normalised, so a span
can be shown to a reader or stored in the log without a mapping.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

HEAD_CHARS = 60_000  # at the start; 99 % of news texts are shorter, features 20,000
TAIL_CHARS = 20_000  # at the end of a longer text; the middle is not read
LONG_SENTENCE_CHARS = 400  # a longer sentence is cut at clauses, to be quotable
# A line without punctuation (base64, a table) is cut here, at a space if there is one.
LONGEST_CLAUSE_CHARS = 600
SHORTEST_CLAUSE_CHARS = 120  # before a cut at a mark

# The leading character class skips most characters faster than alternatives would.
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
    """Return the spans of `text` to read: all of it, or head and tail if very long."""
    if len(text) <= HEAD_CHARS + TAIL_CHARS:
        return [(0, len(text))]
    return [(0, HEAD_CHARS), (len(text) - TAIL_CHARS, len(text))]


def sentences(text: str) -> list[Span]:
    """Return the spans of the sentences, in order, without surrounding white space.

    Long sentences are divided into clauses.
    """
    found: list[Span] = []
    for start, end in considered(text):
        for first, last in _sentences(text, start, end):
            first, last = _trimmed(text, first, last)
            if last - first > LONG_SENTENCE_CHARS:
                clauses = (
                    _trimmed(text, *clause) for clause in _clauses(text, first, last)
                )
                found += [clause for clause in clauses if clause[0] < clause[1]]
            elif first < last:
                found.append((first, last))
    return found


def _sentences(text: str, start: int, end: int) -> Iterator[Span]:
    begin = start
    for stop in _STOP.finditer(text, start, end):
        mark, after = stop.span()
        if text[mark] != "." or _ends_sentence(text, begin, mark, after):
            yield begin, after
            begin = after
    yield begin, end


def _ends_sentence(text: str, begin: int, stop: int, after: int) -> bool:
    """Return False if the stop ends an abbreviation or an initial, or if a lower-case
    word follows."""
    before = _WORD_BEFORE.search(text, max(begin, stop - 13), stop + 1)
    if before:
        word = before.group(1).lower()
        if word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha()):
            return "\n" in text[after : after + 1]
    follows = _OPENS.match(text, after, after + 8)
    return not follows or not follows.group(1).islower()


def _clauses(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield a long sentence in pieces of at most LONGEST_CLAUSE_CHARS.

    Each is cut after the first mark beyond SHORTEST_CLAUSE_CHARS.
    """
    begin = start
    for mark in _CLAUSE.finditer(text, start, end):
        while mark.end() - begin > LONGEST_CLAUSE_CHARS:
            cut = _cut(text, begin)
            yield begin, cut
            begin = cut
        if mark.end() - begin >= SHORTEST_CLAUSE_CHARS:
            yield begin, mark.end()
            begin = mark.end()
    while end - begin > LONGEST_CLAUSE_CHARS:
        cut = _cut(text, begin)
        yield begin, cut
        begin = cut
    yield begin, end


def _cut(text: str, begin: int) -> int:
    """Return the end of a piece without marks: after its last space if there is one."""
    space = text.rfind(" ", begin + 1, begin + LONGEST_CLAUSE_CHARS)
    if space > begin + LONGEST_CLAUSE_CHARS // 2:
        return space + 1
    return begin + LONGEST_CLAUSE_CHARS


def _trimmed(text: str, start: int, end: int) -> Span:
    """Return the span without surrounding white space; empty if nothing else is in it."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
