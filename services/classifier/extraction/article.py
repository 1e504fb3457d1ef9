"""The text of the article on a page.

Prune other parts of the page, extract with trafilatura, then drop boilerplate lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from lxml import etree, html
from trafilatura import bare_extraction

from services.classifier.extraction.boilerplate import (
    TextLine,
    captions,
    keep,
    links_to_others,
    prune,
)
from services.classifier.extraction.cleaning import clean
from services.classifier.extraction.metadata import Metadata
from services.classifier.extraction.normalize import normalize_tree
from services.classifier.extraction.recovery import (
    divided,
    standfirst,
    with_missing,
)
from services.classifier.text.words import count_words

# JSON-LD's articleBody replaces an extraction that it exceeds by this factor: the
# visible page then hides part of the text.
BODY_LONGER = 1.4
BODY_MIN_WORDS = 50
# A text shorter than this, or than this share of the page's text, is extracted again
# with trafilatura's fallback extractors.
SHORT_CHARS = 800
SHORT_SHARE = 0.1
BLOCKS = frozenset(
    {"p", "head", "item", "quote", "code", "lb", "list", "row", "table", "fw", "div"}
)


def text_of(tree: html.HtmlElement, meta: Metadata, url: str) -> str:
    """Return the article without headline and boilerplate, one paragraph per line.

    Return "" if the page has no article. Changes `tree`.
    """
    normalize_tree(tree)
    prune(tree)
    host = (urlsplit(url).hostname or "").removeprefix("www.")
    excluded = links_to_others(tree, host) | captions(tree)
    lines = _extracted(tree, url, fast=True)
    length = _chars(lines)
    if length < SHORT_CHARS or length < SHORT_SHARE * len(tree.text_content()):
        lines = _extracted(tree, url, fast=False)
    lines = with_missing(tree, divided(tree, lines))
    body = meta.article.body
    kept = keep(lines, title=meta.title, body=body, excluded=excluded)
    intro = standfirst(tree, kept, meta.title)
    text = "\n".join([intro, *kept] if intro else kept)
    body_words = count_words(body)
    if body_words >= BODY_MIN_WORDS and body_words > BODY_LONGER * count_words(text):
        return body
    return text


def _chars(lines: list[TextLine]) -> int:
    return sum(len(line.text) for line in lines)


def _extracted(tree: html.HtmlElement, url: str, *, fast: bool) -> list[TextLine]:
    found = bare_extraction(
        tree,
        url=url,
        output_format="txt",  # only its tree is read
        fast=fast,
        include_comments=False,
        include_tables=True,
        with_metadata=False,
    )
    body = getattr(found, "body", None)  # None if trafilatura finds no text
    return list(_lines(body)) if body is not None else []


def _lines(body: etree._Element) -> Iterator[TextLine]:
    """Yield one line for each block of trafilatura's tree."""
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
