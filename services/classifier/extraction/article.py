"""The text of the article on a page: prune what is certainly not it, let trafilatura extract, keep the lines
that are its own."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from lxml import etree, html
from trafilatura import bare_extraction

from services.classifier.extraction.boilerplate import (
    TextLine,
    captions,
    keep,
    pointers,
    prune,
)
from services.classifier.extraction.decoding import clean
from services.classifier.extraction.metadata import Metadata
from services.classifier.extraction.normalize import normalize_tree
from services.classifier.extraction.recovery import (
    largest_group,
    standfirst,
    with_missing,
)
from services.classifier.text.words import count_words

# JSON-LD's articleBody replaces the extraction where it is this much longer: then the visible page hides part of
# the text.
BODY_LONGER = 1.4
BODY_MIN_WORDS = 50
# A text shorter than this, or less than this share of all that the page holds, is extracted again with
# trafilatura's second opinions.
SHORT_CHARS = 800
SHORT_SHARE = 0.1
# A text below THIN_CHARS gives way to the page's largest group of paragraphs where that is THIN_FACTOR as long.
THIN_CHARS = 400
THIN_FACTOR = 2
BLOCKS = frozenset(
    {"p", "head", "item", "quote", "code", "lb", "list", "row", "table", "fw", "div"}
)


def text_of(tree: html.HtmlElement, meta: Metadata, url: str) -> str:
    """The article, a paragraph a line, without headline and site furniture; "" where none is found. Changes `tree`."""
    normalize_tree(tree)
    prune(tree)
    pointing = pointers(
        tree, (urlsplit(url).hostname or "").removeprefix("www.")
    ) | captions(tree)
    lines = _extracted(tree, url, fast=True)
    length = _chars(lines)
    if length < SHORT_CHARS or length < SHORT_SHARE * len(tree.text_content()):
        lines = _extracted(tree, url, fast=False)
    lines = with_missing(tree, lines)
    if _chars(lines) < THIN_CHARS and _chars(
        other := largest_group(tree)
    ) > THIN_FACTOR * _chars(lines):
        lines = other
    kept = keep(lines, title=meta.title, body=meta.article.body, pointing=pointing)
    above = standfirst(tree, kept, meta.title)
    text = "\n".join([above, *kept] if above else kept)
    stated = count_words(meta.article.body)
    return (
        meta.article.body
        if stated >= BODY_MIN_WORDS and stated > BODY_LONGER * count_words(text)
        else text
    )


def _chars(lines: list[TextLine]) -> int:
    return sum(len(line.text) for line in lines)


def _extracted(tree: html.HtmlElement, url: str, *, fast: bool) -> list[TextLine]:
    found = bare_extraction(
        tree,
        url=url,
        fast=fast,
        include_comments=False,
        include_tables=True,
        with_metadata=False,
    )
    body = getattr(found, "body", None)  # None where trafilatura finds no text
    return list(_lines(body)) if body is not None else []


def _lines(body: etree._Element) -> Iterator[TextLine]:
    """trafilatura's tree as lines: one for each block, with what kind of block it was."""
    parts: list[str] = []
    kind = "p"

    def flush() -> Iterator[TextLine]:
        text = clean("".join(parts))
        parts.clear()
        if text:
            yield TextLine(text=text, kind=kind)

    for event, node in etree.iterwalk(body, events=("start", "end")):
        if node.tag in BLOCKS:
            yield from flush()
            kind = node.tag if event == "start" else "p"
        if node.tag == "cell":
            parts.append(" ")
        if event == "start":
            parts.append(node.text or "")
        elif node is not body:
            parts.append(node.tail or "")
    yield from flush()
