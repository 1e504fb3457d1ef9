"""One form for the many ways in which pages hold paragraphs, before extraction.

Hidden elements go; bare text between blocks, or in boxes of its own, becomes a
paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree, html

from services.classifier.extraction.cleaning import clean

HIDDEN_SHARE = 0.5  # of a page; more than this in a hidden box is shown by a script
BARE_CHARS = 25  # of bare text between blocks; shorter ones are labels
_CONTAINERS = ("article", "body", "center", "div", "main", "section", "td")
_BLOCKS = frozenset(
    "address article aside blockquote center details div dl fieldset figure footer form"
    " h1 h2 h3 h4 h5 h6 header hr iframe main menu nav ol p pre script section style"
    " table ul video noscript template object".split()
)
_PARAGRAPH_BESIDE = ("p", "ul", "ol", "blockquote", "h2", "h3", "h4")
# XPath passes over the other elements of a page in C.
_CONTAINERS_OF_PARAGRAPHS = etree.XPath(
    f"descendant-or-self::*[{' or '.join(f'self::{tag}' for tag in _CONTAINERS)}]"
    f"[{' or '.join(_PARAGRAPH_BESIDE)}]"
)
# Of old pages: an inline element around all paragraphs, which hides what is beside them.
_INLINE_AROUND_PARAGRAPHS = etree.XPath(
    "descendant::*[self::b or self::big or self::em or self::font or self::i"
    " or self::small or self::span or self::strong or self::u][p]"
)
_PICTURES = ("img picture video audio svg iframe object table pre figcaption").split()
_BARE_BOXES = ("div", "center", "section", "figure")
_HIDDEN_STYLE = re.compile(
    r"(?:display\s*+:\s*+none|(?<!backface-)visibility\s*+:\s*+(?:hidden|collapse)"
    r"|clip\s*+:\s*+rect\(\s*+[01](?:px)?\b|clip-path\s*+:\s*+inset\(\s*+(?:50|100)%"
    r"|scale\(\s*+0\s*+\)"
    r"|text-indent\s*+:\s*+-\d{3}|font-size\s*+:\s*+0(?:px|em|rem|pt|%)?\s*+(?:[;!]|$)|(?:left|right|top)\s*+:\s*+-\d{4})",
    re.I,
)
_CUT_OFF = re.compile(r"overflow\s*+:\s*+hidden", re.I)
_NO_SIZE = re.compile(
    r"(?:^|[;\s])(?:max-)?(?:height|width)\s*+:\s*+(?:0|1px)(?:px)?\s*+(?:[;!]|$)", re.I
)
_HIDDEN_CLASSES = frozenset(
    "sr-only visually-hidden visuallyhidden screen-reader-text screen-reader-only"
    " screenreader-only screenreader-text screen-reader sronly element-invisible"
    " visually-hidden-focusable u-hidden u-hiddenvisually is-hidden hidden d-none"
    " hide invisible a11y-hidden show-for-sr assistive-text sr_only offscreen off-screen"
    " hidden-visually is-visually-hidden a-offscreen".split()
)
_MAY_BE_HIDDEN = etree.XPath(
    "descendant::*[@hidden or @inert or @class or @style or @aria-hidden]"
)
# With one of these, "hidden" and "d-none" hold on screens of some widths only.
_RESPONSIVE = re.compile(r":|\bd-(?:sm|md|lg|xl|xxl|print)-")
# Classes of boxes that are hidden on some screens, or only their scroll bar is.
_PARTLY_HIDDEN = re.compile(
    r"(?<!\S)(?:is-)?(?:hide|hidden)-(?:on-|for-)?(?:mobile|phone|tablet|desktop|small"
    r"|medium|large|xs|sm|md|lg|xl|scroll\w*|overflow)(?!\S)"
)


def normalize_tree(tree: html.HtmlElement) -> None:
    """Normalise the tree of a page in place."""
    _drop_readings(tree)
    _open_shadow_roots(tree)
    _drop_hidden(tree)
    _open_details(tree)
    _open_figures(tree)
    for node in _INLINE_AROUND_PARAGRAPHS(tree):
        node.tag = "div"
    for node in _CONTAINERS_OF_PARAGRAPHS(tree):
        _wrap_bare_text(node)


def _drop_readings(tree: html.HtmlElement) -> None:
    """Drop how characters are read, which stands above them: <ruby>漏<rt>ろう</rt></ruby>."""
    for node in list(tree.iter("rt", "rp")):
        if node.getparent() is not None:
            node.drop_tree()


def _open_shadow_roots(tree: html.HtmlElement) -> None:
    """Show templates that browsers show: those of a declarative shadow root."""
    for node in tree.iter("template"):
        if node.get("shadowrootmode"):
            node.tag = "div"


def _open_details(tree: html.HtmlElement) -> None:
    """Replace `details` and an open `dialog` by their content, which extractors skip."""
    for node in tree.iter("dialog"):
        if node.get("open") is not None:
            node.tag = "div"
    for node in tree.iter("details"):
        node.tag = "div"
        summary = node.find("summary")
        if summary is not None:
            summary.tag = "p"


def _open_figures(tree: html.HtmlElement) -> None:
    """Rename figures with neither picture nor caption, which only lay out text."""
    for node in tree.iter("figure"):
        if next(node.iter(*_PICTURES), None) is None:
            node.tag = "div"


def _drop_hidden(tree: html.HtmlElement) -> None:
    most = HIDDEN_SHARE * len(tree.text_content())
    for node in _MAY_BE_HIDDEN(tree):
        if not _is_hidden(node):
            _mark_as_shown(node)
            continue
        if node.getparent() is None:
            continue
        if node.tag in ("body", "html") or len(node.text_content()) > most:
            continue
        node.drop_tree()


def _is_hidden(node: html.HtmlElement) -> bool:
    hidden = node.get("hidden")
    if hidden is not None and hidden != "until-found":
        return True
    if node.get("inert") is not None or _is_true(node.get("aria-hidden")):
        return True
    classes = (node.get("class") or "").lower()
    hiding = not _HIDDEN_CLASSES.isdisjoint(classes.split())
    if hiding and not _RESPONSIVE.search(classes):
        return True
    style = (node.get("style") or "")[:1000]
    if _CUT_OFF.search(style) and _NO_SIZE.search(style):
        return True
    return bool(_HIDDEN_STYLE.search(style))


def _is_true(value: str | None) -> bool:
    return (value or "").strip().lower() == "true"


def _mark_as_shown(node: html.HtmlElement) -> None:
    """Take away what an extractor would take for a sign of hidden text, such as
    `overflow: hidden`."""
    if "hidden" in (node.get("style") or ""):
        del node.attrib["style"]
    classes = node.get("class") or ""
    if "hid" not in classes:
        return
    shown = _PARTLY_HIDDEN.sub("", classes)
    if _RESPONSIVE.search(classes):
        shown = " ".join(name for name in shown.split() if "hid" not in name)
    node.set("class", shown)


def _wrap_bare_text(node: html.HtmlElement) -> None:
    """Make paragraphs of the text beside the blocks of a container."""
    for child in node:
        if child.tag in _BARE_BOXES and _is_bare_box(child):
            child.tag = "p"
    for run in list(_runs(node)):
        if len(clean("".join(_texts(run)))) >= BARE_CHARS:
            _wrap(node, run)


def _is_bare_box(node: html.HtmlElement) -> bool:
    """Return True for a box of prose without blocks, as in <div>A sentence.</div>."""
    text = (node.text_content() if node.tag == "center" else node.text) or ""
    if node.get("class") or node.get("id") or len(clean(text)) < BARE_CHARS:
        return False
    if node.tag == "center" and node.find(".//a") is not None:
        return False
    return not any(child.tag in _BLOCKS or child.tag == "img" for child in node)


# A run: the text before it (None, or the element whose tail it is), inline elements.
Run = tuple[html.HtmlElement | None, list[html.HtmlElement], str]


def _runs(node: html.HtmlElement) -> Iterator[Run]:
    """Yield each stretch of text and inline elements between two blocks."""
    before: html.HtmlElement | None = None
    text = node.text or ""
    inline: list[html.HtmlElement] = []
    for child in node:
        if isinstance(child.tag, str) and child.tag not in _BLOCKS:
            inline.append(child)
            continue
        yield before, inline, text
        before = child
        inline = []
        text = child.tail or ""
    yield before, inline, text


def _texts(run: Run) -> Iterator[str]:
    _, inline, text = run
    yield text
    for child in inline:
        yield child.text_content()
        yield child.tail or ""


def _wrap(node: html.HtmlElement, run: Run) -> None:
    before, inline, text = run
    links = sum(len(link.text_content()) for part in inline for link in part.iter("a"))
    if 2 * links > len("".join(_texts(run))):
        return
    paragraph = html.Element("p")
    paragraph.text = text
    if before is None:
        node.text = None
        index = 0
    else:
        before.tail = None
        index = node.index(before) + 1
    for child in inline:
        paragraph.append(child)
    node.insert(index, paragraph)
