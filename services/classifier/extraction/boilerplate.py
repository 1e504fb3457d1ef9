"""The parts of a page outside its article.

Containers are pruned before extraction, lines dropped after it. The rules are general:
none is for a single site.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from lxml import html

from services.classifier.extraction import markup, phrases
from services.classifier.extraction.cleaning import clean

# Lines of a text that is compared with articleBody: the work grows with the square.
MAX_LINES = 1_500
LABEL_CHARS = 240  # a longer line that opens with "Related:" is prose
PHRASE_CHARS = 220  # the same for "Subscribe to our newsletter"
CREDIT_CHARS = 120  # the same for picture credits
HEAD_LINES = 6  # at the start, searched for the headline and other headings
TAIL_CHARS = 400  # of a byline, biography or agency credit at the end of a text
TAIL_OTHERS = 1  # lines of another kind allowed after or between those
END_MATTER_CHARS = 60  # of a heading such as "Press contact"
SHOUTED_CHARS = 40  # of a heading in capitals
# A heading this long that ends as a sentence is the story's first paragraph.
STANDFIRST_CHARS = 60
SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", "”", '"', "»")
CAPTION_CHARS = 600
SIGN_UP_CHARS = 400  # of a box that asks for a subscription; a longer one is a story
# Contacts and references begin within this share of a text's characters at its end.
END_MATTER_SHARE = 0.35
# Share of a block's characters within links to the same site: a link to another story.
LINK_SHARE = 0.85
LINK_BLOCK_CHARS = 300  # a longer block is prose
BODY_SHARE = 0.8  # of the text's characters in articleBody, to trust its ends

GONE = ("head", "script", "style", "svg", "template", "iframe", "select", "nav")
_NO_LETTERS = re.compile(r"[\W_]+")
_NO_ASCII_LETTERS = bytes(code for code in range(128) if not chr(code).isalnum())
_LINK_BLOCKS = ("p", "td", "h2", "h3", "h4", "h5", "h6")
_LISTS = ("ul", "ol")
_CAPTION_TAGS = ("div", "p", "span", "em", "small", "dd", "cite")


@dataclass(frozen=True, kw_only=True)
class TextLine:
    """One block of an extracted text.

    `kind` is the block's tag in trafilatura's tree: p, head, item, quote …
    """

    text: str
    kind: str


def prune(tree: html.HtmlElement) -> None:
    """Remove elements outside the article, and rename boxes that wrongly contain it.

    Changes `tree`.
    """
    headed = [
        node
        for node in tree.iter("aside", "footer", "nav")
        if node.find(".//h1") is not None
    ]
    total = len(tree.text_content()) if headed else 0
    for node in headed:
        # An unclosed box contains the rest of the page.
        if len(node.text_content()) > total / 2:
            node.tag = "div"
            node.attrib.pop("class", None)
    for node in list(tree.iter(*GONE)):
        if node.getparent() is not None:
            node.drop_tree()
    boxes = tree.iter("div", "section", "form")
    for box in list(markup.of_class(phrases.SIGN_UP, boxes)):
        if _is_short(box):
            box.drop_tree()
    for quote in tree.iter("blockquote"):
        if phrases.POST.search(quote.get("class") or ""):
            _unname(quote)


def _is_short(box: html.HtmlElement) -> bool:
    """Return True for a box without a headline and with few words."""
    if box.getparent() is None or box.find(".//h1") is not None:
        return False
    return len(box.text_content()) <= SIGN_UP_CHARS


def _unname(quote: html.HtmlElement) -> None:
    """Remove class and id from an embedded post and the boxes around only that post.

    A quoted post is part of the article, but extractors drop boxes named as embeds.
    """
    length = len(clean(quote.text_content()))
    for node in (quote, *quote.iterancestors("div", "figure", "section", "span")):
        if len(clean(node.text_content())) > length + 40:
            break
        if node.tag == "figure":  # dropped by its name
            node.tag = "div"
        for name in ("class", "id"):
            node.attrib.pop(name, None)


def links_to_others(tree: html.HtmlElement, host: str) -> frozenset[str]:
    """Return the squeezed texts of blocks that only link to other stories.

    They are dropped after extraction: trafilatura's own tests of link density need
    the whole page.
    """
    found = {
        squeeze(node.text_content())
        for node in tree.iter(*_LINK_BLOCKS)
        if len(node) and _links_away(node, host)
    }
    for cell in tree.iter("td"):
        links = list(cell.iter("a"))
        if len(links) >= 2 and _links_away(cell, host):  # navigation of a layout table
            found.update(squeeze(link.text_content()) for link in links)
    for node in tree.iter(*_LISTS):
        items = [child for child in node if child.tag == "li"]
        if len(items) >= 2 and all(_links_away(item, host) for item in items):
            found.update(squeeze(item.text_content()) for item in items)
    return frozenset(found - {""})


def captions(tree: html.HtmlElement) -> frozenset[str]:
    """Return the squeezed texts of picture captions, credits and their parts."""
    found: set[str] = set()
    marked = markup.of_class(phrases.CAPTION, tree.iter(*_CAPTION_TAGS))
    for node in (*tree.iter("figcaption"), *marked):
        if len(node.text_content()) <= CAPTION_CHARS:
            found.update(squeeze(part.text_content()) for part in node.iter())
    return frozenset(found - {""})


def keep(
    lines: Sequence[TextLine], *, title: str, body: str, excluded: frozenset[str]
) -> list[str]:
    """Return the article's own lines, without the squeezed texts in `excluded`.

    `body` is JSON-LD's articleBody. If it has most of the text, lines at both ends
    that it lacks are dropped.
    """
    kept = [
        line
        for line in lines
        if not is_boilerplate(line.text) and squeeze(line.text) not in excluded
    ]
    kept = _without_heading(kept, title)
    return _within_body([line.text for line in _without_tail(kept)], body)


def is_boilerplate(line: str) -> bool:
    """Return True for a line of the site: share, subscribe, comments, credits …"""
    if len(line) <= LABEL_CHARS and phrases.LABEL.match(line):
        return True
    if len(line) <= PHRASE_CHARS and phrases.PHRASE.search(line):
        return True
    return len(line) <= CREDIT_CHARS and bool(phrases.CREDIT.search(line))


def _without_heading(lines: list[TextLine], title: str) -> list[TextLine]:
    """Drop the headline (stored as the title) and headings above the first paragraph."""
    kept: list[TextLine] = []
    for index, line in enumerate(lines):
        long = len(line.text) >= STANDFIRST_CHARS
        standfirst = long and line.text.endswith(SENTENCE_ENDS)
        heading = line.kind == "head" and not kept and not standfirst
        if index >= HEAD_LINES or not (heading or same(line.text, title)):
            kept.append(line)
    return kept or lines


def _without_tail(lines: list[TextLine]) -> list[TextLine]:
    """Drop bylines, biographies, credits and empty headings at the end."""
    end = _end_matter(lines)
    others = 0
    for index in range(end - 1, 0, -1):
        line = lines[index]
        last_heading = index == end - 1 and _is_heading(line)
        credit = len(line.text) <= TAIL_CHARS and phrases.TAIL.search(line.text)
        if last_heading or credit:
            end = index
        else:
            others += 1
        if others > TAIL_OTHERS:
            break
    return lines[:end]


def _end_matter(lines: list[TextLine]) -> int:
    """Return the index of "Press contact", "References" or the like; else the length."""
    end = len(lines)
    chars = 0
    total = sum(len(line.text) for line in lines)
    for index in range(len(lines) - 1, 0, -1):
        text = lines[index].text
        chars += len(text)
        if chars > END_MATTER_SHARE * total:
            break
        if len(text) <= END_MATTER_CHARS and phrases.END_MATTER.match(text):
            end = index
    return end


def _is_heading(line: TextLine) -> bool:
    if line.kind == "head":
        return True
    shouted = len(line.text) <= SHOUTED_CHARS and line.text.isupper()
    return shouted and not line.text.endswith(SENTENCE_ENDS)


def _within_body(lines: list[str], body: str) -> list[str]:
    """Trim both ends to the lines in articleBody if it has most of the text."""
    if not body or not lines or len(lines) > MAX_LINES:
        return lines
    whole = squeeze(body)
    inside = [squeeze(line)[:80] in whole for line in lines]
    total = sum(len(line) for line in lines)
    pairs = zip(lines, inside, strict=True)
    shared = sum(len(line) for line, is_inside in pairs if is_inside)
    if shared < BODY_SHARE * total:
        return lines
    first = inside.index(True)
    last = len(inside) - inside[::-1].index(True)
    return lines[first:last]


def _links_away(node: html.HtmlElement, host: str) -> bool:
    """Return True if a short block is nearly all links to pages of the same site."""
    links = list(node.iter("a"))
    if not links:
        return False
    text = clean(node.text_content())
    if not text or len(text) > LINK_BLOCK_CHARS:
        return False
    linked = sum(
        len(clean(link.text_content()))
        for link in links
        if _same_site(link.get("href") or "", host)
    )
    if linked == 0:
        return False
    labelled = len(text) - linked <= 30 and bool(phrases.LABEL.match(text))
    return labelled or linked >= LINK_SHARE * len(text)


def _same_site(href: str, host: str) -> bool:
    if "#" in href or not href:  # a fragment of this page, as in a table of contents
        return False
    if "//" not in href:
        return True
    try:
        there = (urlsplit(href).hostname or "").removeprefix("www.")
    except ValueError:
        return False
    return (
        not there
        or there == host
        or there.endswith(f".{host}")
        or host.endswith(f".{there}")
    )


def same(text: str, other: str) -> bool:
    """Return True if the texts differ only in case, spaces and punctuation."""
    return bool(other) and squeeze(text) == squeeze(other)


def squeeze(text: str) -> str:
    """Return the letters and digits, casefolded."""
    # Most of what goes is ASCII, which bytes drop five times as fast as a pattern.
    data = text.casefold().encode("utf-8", "ignore").translate(None, _NO_ASCII_LETTERS)
    folded = data.decode("utf-8")
    return folded if folded.isascii() else _NO_LETTERS.sub("", folded)
