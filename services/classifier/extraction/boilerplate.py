"""What on a page is not the article: containers pruned before extraction, lines dropped after it. General rules,
none for one site."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from lxml import html

from services.classifier.extraction import phrases
from services.classifier.extraction.decoding import clean

MAX_LINES = (
    1_500  # of a text that is compared with articleBody: the work grows with the square
)
LABEL_CHARS = 240  # a line that opens with "Related:" and is longer than this is prose
PHRASE_CHARS = 220  # the same for "Subscribe to our newsletter"
HEAD_LINES = 6  # at the start, where the headline and what stands above the first paragraph are found
TAIL_CHARS = 400  # of a byline, biography or agency's credit at the end of a text
TAIL_OTHERS = 1  # lines of another kind that may stand after or between those
STANDFIRST_CHARS = (
    60  # a heading this long that ends as a sentence is the story's first paragraph
)
SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", "”", '"', "»")
CAPTION_CHARS = 600
END_MATTER_SHARE = 0.35  # of a text's characters: contacts and references stand no earlier than that before its end
REPEAT_CHARS = 40  # a line this long that comes again is a pull quote or a box; shorter ones are rows of a table
LINK_SHARE = 0.85  # of a block's characters within links to the same site: a pointer to another story

GONE = ("head", "script", "style", "svg", "template", "iframe", "select", "nav")
_POINTER_BLOCKS = ("p", "td", "h2", "h3", "h4", "h5", "h6")
_LISTS = ("ul", "ol")


@dataclass(frozen=True, kw_only=True)
class TextLine:
    """One block of an extracted text. `kind` is the block's tag in trafilatura's tree: p, head, item, quote …"""

    text: str
    kind: str


def prune(tree: html.HtmlElement) -> None:
    """Removes, in place, elements that are never the article, and gives boxes that wrongly hold it a neutral name."""
    total = len(tree.text_content())
    for node in tree.iter("aside", "footer", "nav"):
        # Left open by mistake, such a box swallows the whole page.
        if node.find(".//h1") is not None and len(node.text_content()) > total / 2:
            node.tag = "div"
            node.attrib.pop("class", None)
    for node in list(tree.iter(*GONE)):
        if node.getparent() is not None:
            node.drop_tree()
    for quote in tree.iter("blockquote"):
        if phrases.POST.search(quote.get("class") or ""):
            _unname(quote)


def _unname(quote: html.HtmlElement) -> None:
    """Takes class and id from an embedded post and the boxes that hold nothing else: what an article quotes is part
    of it, yet extractors drop every box that is called an embed."""
    length = len(clean(quote.text_content()))
    for node in (quote, *quote.iterancestors("div", "figure", "section", "span")):
        if len(clean(node.text_content())) > length + 40:
            break
        if node.tag == "figure":  # dropped by its name
            node.tag = "div"
        for name in ("class", "id"):
            node.attrib.pop(name, None)


def pointers(tree: html.HtmlElement, host: str) -> frozenset[str]:
    """The squeezed texts of blocks that only point at other stories: dropped after extraction, since trafilatura's
    own link density tests work on the whole page."""
    found = {
        squeeze(node.text_content())
        for node in tree.iter(*_POINTER_BLOCKS)
        if len(node) and _points_away(node, host)
    }
    for node in tree.iter(*_LISTS):
        items = [child for child in node if child.tag == "li"]
        if len(items) >= 2 and all(_points_away(item, host) for item in items):
            found.update(squeeze(item.text_content()) for item in items)
    return frozenset(found - {""})


def captions(tree: html.HtmlElement) -> frozenset[str]:
    """The squeezed texts of picture captions and credits, whole and in their parts."""
    found: set[str] = set()
    for node in tree.iter(
        "figcaption", "div", "p", "span", "em", "small", "dd", "cite"
    ):
        if (
            node.tag == "figcaption" or phrases.CAPTION.search(node.get("class") or "")
        ) and len(node.text_content()) <= CAPTION_CHARS:
            found.update(squeeze(part.text_content()) for part in node.iter())
    return frozenset(found - {""})


def keep(
    lines: Sequence[TextLine], *, title: str, body: str, pointing: frozenset[str]
) -> list[str]:
    """The article's own lines. `body` is JSON-LD's articleBody: where it holds most of the text, lines at the
    ends that it lacks go."""
    kept = [
        line
        for line in lines
        if not is_boilerplate(line.text) and squeeze(line.text) not in pointing
    ]
    kept = _without_heading(kept, title)
    texts = [line.text for line in _without_tail(kept)]
    first = {text: index for index, text in reversed(list(enumerate(texts)))}
    unique = [
        text
        for index, text in enumerate(texts)
        if len(text) < REPEAT_CHARS or first[text] == index
    ]
    return _within_body(unique, body)


def is_boilerplate(line: str) -> bool:
    """True for a line that is the site's, not the story's: share, subscribe, related, comments, credits, copyright."""
    if len(line) <= LABEL_CHARS and phrases.LABEL.match(line):
        return True
    if len(line) <= PHRASE_CHARS and phrases.PHRASE.search(line):
        return True
    return len(line) <= 120 and bool(phrases.CREDIT.search(line))


def _without_heading(lines: list[TextLine], title: str) -> list[TextLine]:
    """Drops the headline (kept as the title) and the headings and standfirst above the first paragraph."""
    kept: list[TextLine] = []
    for index, line in enumerate(lines):
        standfirst = len(line.text) >= STANDFIRST_CHARS and line.text.endswith(
            SENTENCE_ENDS
        )
        heading = line.kind == "head" and not kept and not standfirst
        if index >= HEAD_LINES or not (heading or same(line.text, title)):
            kept.append(line)
    return kept or lines


def _without_tail(lines: list[TextLine]) -> list[TextLine]:
    """Drops bylines, biographies and credits at the end, headings that head nothing, and what follows "Press
    contact" or "References"."""
    end = len(lines)
    after = 0
    total = sum(len(line.text) for line in lines)
    for index in range(len(lines) - 1, 0, -1):
        after += len(lines[index].text)
        if after > END_MATTER_SHARE * total:
            break
        if len(lines[index].text) <= 60 and phrases.END_MATTER.match(lines[index].text):
            end = index
    others = 0
    for index in range(end - 1, 0, -1):
        line = lines[index]
        shouted = (
            len(line.text) <= 40
            and line.text.isupper()
            and not line.text.endswith(SENTENCE_ENDS)
        )
        ending = index == end - 1 and (line.kind == "head" or shouted)
        if ending or (len(line.text) <= TAIL_CHARS and phrases.TAIL.search(line.text)):
            end = index
        else:
            others += 1
        if others > TAIL_OTHERS:
            break
    return lines[:end]


def _within_body(lines: list[str], body: str) -> list[str]:
    """Trims both ends to what articleBody holds, where that is most of the text."""
    if not body or not lines or len(lines) > MAX_LINES:
        return lines
    whole = squeeze(body)
    inside = [squeeze(line)[:80] in whole for line in lines]
    total = sum(len(line) for line in lines)
    if (
        sum(len(line) for line, held in zip(lines, inside, strict=True) if held)
        < 0.8 * total
    ):
        return lines
    first = inside.index(True)
    last = len(inside) - inside[::-1].index(True)
    return lines[first:last]


def _points_away(node: html.HtmlElement, host: str) -> bool:
    """True where nearly all of a short block's text is links to other pages of the same site."""
    links = list(node.iter("a"))
    if not links:
        return False
    text = clean(node.text_content())
    if not text or len(text) > 300:
        return False
    inner = sum(
        len(clean(link.text_content()))
        for link in links
        if _same_site(link.get("href") or "", host)
    )
    rest = len(text) - inner
    return inner > 0 and (
        inner >= LINK_SHARE * len(text)
        or (rest <= 30 and bool(phrases.LABEL.match(text)))
    )


def _same_site(href: str, host: str) -> bool:
    if "#" in href or not href:  # a place on this page, as in a table of contents
        return False
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
    """Equal but for case, spaces and punctuation."""
    return bool(other) and squeeze(text) == squeeze(other)


def squeeze(text: str) -> str:
    """Letters and digits only, casefolded."""
    return "".join(re.findall(r"[^\W_]+", text.casefold()))
