"""Paragraphs of an article that an extractor missed, and its standfirst."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import islice

from lxml import etree, html

from services.classifier.extraction.boilerplate import (
    SENTENCE_ENDS,
    TextLine,
    is_boilerplate,
    same,
    squeeze,
)
from services.classifier.extraction.cleaning import clean

# Lines of a text that is searched for each paragraph of the page: the work grows with
# the square.
MAX_LINES = 1_500
MAX_COMPARED_CHARS = 1_000_000_000  # some 0.1 s of searching
JOINED_SHARE = 0.8  # of a line in paragraphs, to divide it into them
MIN_CHARS = 60  # of a paragraph worth recovering
MATCH_CHARS = 30  # of a paragraph, to identify it in the extracted text
MAX_LINKED = 0.5  # share of its characters within links
PROSE_ITEM_CHARS = 40  # of the items of a list of sentences, on average
STANDFIRST_MAX_CHARS = 900
OPENING_CHARS = 60  # of the squeezed text, to find its start on the page
NEAR_ELEMENTS = 400  # after the headline, searched for a standfirst
_LEAD_TAGS = frozenset({"p", "div", "section", "span", "h2", "h3", "h4"})
_LEAD_HEADINGS = frozenset({"h2", "h3", "h4"})  # a sentence in one below the headline

_STANDFIRST = re.compile(
    r"(?:^|[\s_-])(?:lead|lede|teaser|intro|introduction|standfirst|vorspann|anrisstext|abstract|excerpt|chapeau|entradilla|bajada|"
    r"sommario|summary|dek|deck|subtitle|sub-?head(?:line)?)(?:$|[\s_-])",
    re.I,
)
# With a link in one of these, the paragraph beside it is a teaser of another story.
_TEASER_HEADINGS = ("h2", "h3", "h4", "h5")
_OUTSIDE = frozenset(
    "aside footer nav figure figcaption form li td blockquote header".split()
)


def with_missing(tree: html.HtmlElement, lines: Sequence[TextLine]) -> list[TextLine]:
    """Return `lines` with the missing paragraphs in page order.

    A paragraph is the article's if its parent has the same tag and class as the
    parents of at least two extracted ones, within the same `article` or `main`.
    """
    if len(lines) > MAX_LINES:
        return list(lines)
    whole, ends = _joined([line.text for line in lines])
    paragraphs = _paragraphs(tree)
    if len(paragraphs) * len(whole) > MAX_COMPARED_CHARS:
        return list(lines)
    offsets = _offsets(paragraphs, whole)
    page = _Extracted(tree, whole, offsets)
    after: dict[int, list[TextLine]] = {}
    current = -1
    seen: set[str] = set()
    for node, key, text in paragraphs:
        if node in offsets:
            current = max(current, bisect_right(ends, offsets[node]))
        elif current >= 0 and key not in seen and page.lacks(node, text):
            seen.add(key)
            after.setdefault(current, []).extend(_lines_of(node, text))
    return [
        part
        for index, line in enumerate(lines)
        for part in (line, *after.get(index, ()))
    ]


class _Extracted:
    """The extracted text on its page: the kinds and scopes of its paragraphs."""

    def __init__(
        self,
        tree: html.HtmlElement,
        whole: str,
        offsets: Mapping[html.HtmlElement, int],
    ) -> None:
        counts = Counter(_kind(node) for node in offsets)
        self.kinds = {kind for kind, n in counts.items() if n >= 2 and kind[1]}
        self.scopes = {_scope(node) for node in offsets}
        self.teasers = _teaser_boxes(tree)
        self.offsets = offsets
        self.whole = whole

    def lacks(self, node: html.HtmlElement, text: str) -> bool:
        """Return True if the node belongs to the article, but not to the text."""
        if node.tag != "p":
            return _is_list_between(node, self.offsets)
        if _kind(node) not in self.kinds or _scope(node) not in self.scopes:
            return False
        return _is_prose(node, text, self.whole, self.teasers)


def _offsets(
    paragraphs: Sequence[tuple[html.HtmlElement, str, str]], whole: str
) -> dict[html.HtmlElement, int]:
    """Return the offsets of the paragraphs that are in the squeezed text."""
    found = ((node, whole.find(key)) for node, key, _ in paragraphs)
    return {node: offset for node, offset in found if offset >= 0}


def _paragraphs(tree: html.HtmlElement) -> list[tuple[html.HtmlElement, str, str]]:
    """Return paragraphs and lists with their squeezed and cleaned texts."""
    found = []
    for node in tree.iter("p", "ul", "ol", "dl"):
        text = clean(node.text_content())
        if len(text) >= MATCH_CHARS:
            found.append((node, squeeze(text), text))
    return found


def _is_list_between(
    node: html.HtmlElement, offsets: Mapping[html.HtmlElement, int]
) -> bool:
    """Return True for a list between two paragraphs of the article, or for a list of
    sentences after its last one."""
    if node.getprevious() not in offsets:
        return False
    if node.getnext() is None and _is_of_sentences(node):
        return True
    chars = sum(len(link.text_content()) for link in node.iter("a"))
    return node.getnext() in offsets and chars < MAX_LINKED * len(node.text_content())


def _is_of_sentences(node: html.HtmlElement) -> bool:
    """Return True for a list without links whose items are long and end as sentences."""
    items = [clean(item.text_content()) for item in node.iter("li", "dd")]
    if not items or node.find(".//a") is not None:
        return False
    length = sum(len(item) for item in items)
    whole = all(item.endswith(SENTENCE_ENDS) for item in items)
    return whole and length >= PROSE_ITEM_CHARS * len(items)


def _lines_of(node: html.HtmlElement, text: str) -> list[TextLine]:
    """Return a paragraph as its line, a list as a line for each item."""
    if node.tag == "p":
        return [TextLine(text=text, kind="p")]
    items = (clean(item.text_content()) for item in node.iter("li", "dt", "dd"))
    return [TextLine(text=item, kind="item") for item in items if item]


def _joined(lines: Sequence[str]) -> tuple[str, list[int]]:
    """Return the squeezed lines as one string, and the offset of each line's end."""
    ends: list[int] = []
    parts: list[str] = []
    length = 0
    for line in lines:
        parts.append(squeeze(line))
        length += len(parts[-1])
        ends.append(length)
    return "".join(parts), ends


def _kind(node: html.HtmlElement) -> tuple[str, str]:
    parent = node.getparent()
    return (parent.tag, parent.get("class") or "") if parent is not None else ("", "")


def _scope(node: html.HtmlElement) -> html.HtmlElement | None:
    return next((up for up in node.iterancestors("article", "main", "body")), None)


def _teaser_boxes(tree: html.HtmlElement) -> frozenset[html.HtmlElement]:
    """Return the elements with a heading that links to another story."""
    return frozenset(
        heading.getparent()
        for heading in tree.iter(*_TEASER_HEADINGS)
        if heading.find(".//a") is not None
    )


def _is_prose(
    node: html.HtmlElement, text: str, whole: str, teasers: Set[html.HtmlElement]
) -> bool:
    if len(text) < MIN_CHARS or is_boilerplate(text) or node.getparent() in teasers:
        return False
    if any(up.tag in _OUTSIDE for up in node.iterancestors()):
        return False
    pieces = [squeeze(piece) for piece in node.itertext() if len(piece) >= MATCH_CHARS]
    # Most of the paragraph may be extracted already, as separate lines.
    if sum(piece in whole for piece in pieces) > len(pieces) / 2:
        return False
    linked = sum(len(clean(link.text_content())) for link in node.iter("a"))
    return linked < MAX_LINKED * len(text)


def divided(tree: html.HtmlElement, lines: Sequence[TextLine]) -> Sequence[TextLine]:
    """Return the page's paragraphs if the only line is several of them joined.

    trafilatura joins those of a short article.
    """
    if len(lines) != 1:
        return lines
    whole = squeeze(lines[0].text)
    texts = [clean(node.text_content()) for node in islice(tree.iter("p"), MAX_LINES)]
    parts = [text for text in texts if text and squeeze(text) in whole]
    chars = sum(len(squeeze(text)) for text in parts)
    if len(parts) < 2 or chars < JOINED_SHARE * len(whole):
        return lines
    return [TextLine(text=text, kind="p") for text in parts]


def standfirst(tree: html.HtmlElement, lines: Sequence[str], title: str) -> str:
    """Return the paragraph between headline and text that is marked as lead or intro,
    or the heading there that is a sentence.

    Return "" if there is none, or if `lines` have it.
    """
    headings = tree.iter("h1", "h2")
    heading = next(
        (node for node in headings if same(clean(node.text_content()), title)), None
    )
    if heading is None or not lines:
        return ""
    opening = squeeze(lines[0])[:OPENING_CHARS]
    whole, _ = _joined(lines)
    for node in islice(_following(heading), NEAR_ELEMENTS):
        if node.tag not in _LEAD_TAGS:
            continue
        is_lead = node.tag in _LEAD_HEADINGS or _is_marked(node)
        if not is_lead and node.tag != "p":
            continue
        key = squeeze(node.text_content()[:2000])
        if node.tag == "p" and key[:OPENING_CHARS] == opening:
            return ""
        if is_lead and key and key not in whole:
            text = clean(node.text_content())
            if _reads_as_standfirst(text):
                return text
    return ""


def _reads_as_standfirst(text: str) -> bool:
    if not MIN_CHARS <= len(text) <= STANDFIRST_MAX_CHARS or "©" in text:
        return False
    return text.endswith(SENTENCE_ENDS) and not is_boilerplate(text)


def _following(node: html.HtmlElement) -> Iterator[html.HtmlElement]:
    """Yield the elements after `node` in document order."""
    for up in (node, *node.iterancestors()):
        for sibling in up.itersiblings():
            yield from sibling.iter(etree.Element)


def _is_marked(node: html.HtmlElement) -> bool:
    parent = node.getparent()
    around = (parent.get("class") or "") if parent is not None else ""
    marks = f"{node.get('class') or ''} {node.get('itemprop') or ''} {around}"
    return bool(_STANDFIRST.search(marks)) and not any(
        up.tag in ("aside", "nav", "footer") for up in node.iterancestors()
    )
