"""One form for the many ways in which pages hold paragraphs, before extraction.

Hidden elements go; bare text between blocks, or in boxes of its own, becomes a
paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import html

from services.classifier.extraction.cleaning import clean

HIDDEN_SHARE = 0.5  # of a page; more than this in a hidden box is shown by a script
BARE_CHARS = 25  # of bare text between blocks; shorter ones are labels
_CONTAINERS = frozenset("article body center div main section td".split())
_BLOCKS = frozenset(
    "address article aside blockquote center details div dl fieldset figure footer form"
    " h1 h2 h3 h4 h5 h6 header hr iframe main menu nav ol p pre script section style"
    " table ul video noscript template object".split()
)
_PARAGRAPH_BESIDE = ("p", "ul", "ol", "blockquote", "h2", "h3", "h4")
# Of old pages: an inline element around all paragraphs, which hides what is beside them.
_INLINE = frozenset("b big em font i small span strong u".split())
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
    for node in _parents(tree, "p"):
        if node.tag in _INLINE:
            node.tag = "div"
    for node in _parents(tree, *_PARAGRAPH_BESIDE):
        if node.tag in _CONTAINERS:
            _wrap_bare_text(node)


def _parents(tree: html.HtmlElement, *tags: str) -> list[html.HtmlElement]:
    """Return the elements with a child of one of the tags."""
    children = (node.getparent() for node in tree.iter(*tags))
    return list(dict.fromkeys(parent for parent in children if parent is not None))


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
    hidden = _hidden(tree)
    most = HIDDEN_SHARE * len(tree.text_content()) if hidden else 0
    for node in hidden:
        if node.getparent() is None:
            continue
        if node.tag in ("body", "html") or len(node.text_content()) > most:
            continue
        node.drop_tree()


def _hidden(tree: html.HtmlElement) -> list[html.HtmlElement]:
    """Return the hidden elements in document order; mark the others as shown."""
    hiding = {None: False}  # by class: many elements share one
    found = []
    for node in tree.iterdescendants():
        classes = node.get("class")
        if classes not in hiding:
            hiding[classes] = _hides(classes.lower())
        if hiding[classes] or _is_hidden(node):
            found.append(node)
        else:
            _mark_as_shown(node)
    return found


def _hides(classes: str) -> bool:
    if _HIDDEN_CLASSES.isdisjoint(classes.split()):
        return False
    return not _RESPONSIVE.search(classes)


def _is_hidden(node: html.HtmlElement) -> bool:
    """Return True for an element that is hidden by an attribute or its style."""
    hidden = node.get("hidden")
    if hidden is not None and hidden != "until-found":
        return True
    if node.get("inert") is not None or _is_true(node.get("aria-hidden")):
        return True
    style = (node.get("style") or "")[:1000]
    if not style:
        return False
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
