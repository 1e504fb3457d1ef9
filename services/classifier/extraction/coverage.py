"""How an extracted text relates to its page: how much of it is teasers of other
stories, and how much of the article's own container it holds."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice

from lxml import etree, html

from services.classifier.extraction.boilerplate import squeeze
from services.classifier.extraction.cleaning import clean
from services.classifier.text.words import count_words

MAX_COMPARED_CHARS = 1_000_000_000  # some 0.1 s of searching
MIN_TEASERS = 5  # fewer are the "more stories" of an article
_HEADINGS = ("h2", "h3", "h4", "h5")
_LINK_LINES = ("p", "div", "dt")  # with nothing but a link, they head a teaser
MIN_LINE_CHARS = 15  # of such a line; shorter ones are "more" and the like
DATE_CHARS = 14  # letters and digits of a date beside a link
# Boxes of one kind side by side, each opening with a link: a list of stories in any markup.
_BOX_TAGS = frozenset({"li", "div", "tr", "a", "p"})
_PARENTS = etree.XPath(f"descendant-or-self::*[*[{MIN_TEASERS}]][descendant::a]")
_IS_ONE_ARTICLE = etree.XPath("count(descendant::article) = 1")
MAX_BOX_CHARS = 600  # of a teaser; an update of a live blog is longer
LINK_WORDS = 3  # of a link that is a headline
_TEASER_BLOCKS = ("p", "div", "span", "dd")
_FURNITURE = frozenset(
    {"aside", "footer", "nav", "form", "figure", "header", "button", "h1", "script"}
)


def teaser_share(tree: html.HtmlElement, text: str) -> float:
    """Return the share of a text (0 to 1) under headings that link to other pages, or in
    list items that are links; 0 for fewer than MIN_TEASERS of them."""
    parts: set[str] = set()
    count = 0
    for heading in tree.iter(*_HEADINGS, *_LINK_LINES):
        if not _is_heading(heading) or not _links_away(heading):
            continue
        count += 1
        parts.add(squeeze(heading.text_content()))
        block = heading.getnext()
        if block is None and heading.getparent().tag == "a":
            block = heading.getparent().getnext()
        if block is not None and block.tag in _TEASER_BLOCKS:
            parts.add(squeeze(block.text_content()))
    for item in tree.iter("li"):
        links = _link_texts(item)
        whole = squeeze(item.text_content()) if links else ""
        if whole and _is_a_link(whole, links):
            parts.add(whole)
            count += 1
    boxes = [] if _IS_ONE_ARTICLE(tree) else _boxes(tree)
    if count < MIN_TEASERS and not boxes:
        return 0.0
    parts.update(boxes)
    lines = [squeeze(line) for line in text.split("\n")]
    total = sum(map(len, lines))
    whole = "\n".join(boxes)
    if len(whole) * len(lines) > MAX_COMPARED_CHARS:
        whole = ""
    taken = sum(len(line) for line in lines if line in parts or line in whole)
    if len(lines) == 1 and len(parts) * total <= MAX_COMPARED_CHARS:
        taken = sum(len(part) for part in parts if part in lines[0])
    return min(taken / max(total, 1), 1.0)


def _boxes(tree: html.HtmlElement) -> list[str]:
    """Return the squeezed texts of boxes that are teasers by their neighbours: at least
    MIN_TEASERS of one tag and class within one parent."""
    found = []
    for parent in _PARENTS(tree):
        groups = defaultdict(list)
        for node in parent:
            if node.tag in _BOX_TAGS:
                groups[(node.tag, node.get("class"))].append(node)
        for group in groups.values():
            found.extend(_teasers_of(group))
    return found


def _teasers_of(group: list[html.HtmlElement]) -> list[str]:
    """Return the squeezed texts of neighbours if most of them are teasers."""
    if len(group) < MIN_TEASERS:
        return []
    teasers = [node for node in group if _is_teaser_box(node)]
    if len(teasers) < MIN_TEASERS or 2 * len(teasers) <= len(group):
        return []
    return [squeeze(node.text_content()) for node in teasers]


def _is_teaser_box(node: html.HtmlElement) -> bool:
    """Return True for a short box that opens with a link to a story; a paragraph only
    if the link is a line of its own."""
    link = node if node.tag == "a" else node.find(".//a")
    if link is None or not _links_away(link):
        return False
    after = link.getnext()
    if node.tag == "p" and (after is None or after.tag != "br" or link.tail):
        return False
    named = clean(link.text_content())
    whole = clean(node.text_content())
    if count_words(named) < LINK_WORDS or len(whole) > MAX_BOX_CHARS:
        return False
    return named in whole[: len(named) + DATE_CHARS]


def _link_texts(node: html.HtmlElement) -> set[str]:
    return {squeeze(link.text_content()) for link in node.iter("a") if link.get("href")}


def _is_a_link(whole: str, links: set[str]) -> bool:
    """Return True for an item that is a link, with no more than a date beside it."""
    return any(
        link and len(whole) - len(link) <= DATE_CHARS and link in whole
        for link in links
    )


def _is_heading(node: html.HtmlElement) -> bool:
    """Return True for a heading, or a line that is one link with text after it."""
    if node.tag in _HEADINGS:
        return True
    if node.getnext() is None or len(list(islice(node.iter("a"), 2))) != 1:
        return False
    whole = squeeze(node.text_content())
    return len(whole) >= MIN_LINE_CHARS and whole in _link_texts(node)


def _links_away(heading: html.HtmlElement) -> bool:
    link = next(heading.iter("a"), None)
    if link is None:
        link = next(heading.iterancestors("a"), None)
    href = "" if link is None else (link.get("href") or "").strip()
    return bool(href) and not href.startswith("#")


def container_words(tree: html.HtmlElement) -> int:
    """Return the number of words in paragraphs and lists of the only `article` of a
    page; 0 if it has none or several."""
    articles = list(tree.iter("article"))
    if len(articles) != 1:
        return 0
    return sum(
        len(clean(node.text_content()).split())
        for node in articles[0].iter("p", "li")
        if next(node.iterancestors(*_FURNITURE), None) is None
        and node.find(".//p") is None
    )
