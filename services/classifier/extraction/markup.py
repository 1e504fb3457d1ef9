"""Parses HTML into one bounded lxml tree for metadata, article and completeness."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urljoin, urlsplit

from lxml import etree, html

from services.classifier.extraction.cleaning import clean

# Bounds on the work for a hostile page. Ordinary articles have below 10,000 elements.
MAX_CHARS = 6_000_000
MAX_ELEMENTS = 40_000
MAX_TAGS = 4 * MAX_ELEMENTS
MAX_DEPTH = 400
# The parser compares each attribute of an element with all others of it.
MAX_ATTRIBUTES = 500
# A page with a refresh and more words is an article: live tickers reload themselves.
MAX_REFRESH_WORDS = 80
MAX_REFRESH_DELAY_S = 15.0

INVISIBLE = frozenset(
    "script style noscript template head title svg iframe object textarea".split()
)

_CONTROLS = bytes(set(range(0x20)) - set(b"\t\n\r"))  # invalid in XML
_DELAY = re.compile(r"[\d.]*+")
_URL_IS = re.compile(r"url\s*+=\s*+", re.I)
# One class for all elements. lxml's own lookup calls Python for each of them.
_ELEMENTS = etree.ElementDefaultClassLookup(element=html.HtmlElement)
_COUNT = etree.XPath("count(//*)")
_TOO_DEEP = etree.XPath(f"boolean({'/*' * (MAX_DEPTH + 1)})")
_INLINE_DATA = re.compile(r"data:[^\"'<>\s)]{200,}+")  # pictures in the page itself
_TAG = re.compile(r"<[A-Za-z!/]")
# A shorter tag cannot hold more attributes.
_LONG_TAG = re.compile(rf"<([A-Za-z][^<]{{{2 * MAX_ATTRIBUTES},}})")
_PLACEHOLDER = re.compile(r"\{\{|\$\{|<%|\[\[")  # of a template that was not filled
_TO_TAG_END = re.compile(r"(?:[^\"'>]++|\"[^\"]*+\"|'[^']*+'|[\"'])*+")
_QUOTED = re.compile(r"\"[^\"]*+\"|'[^']*+'")


class MarkupError(Exception):
    """The page cannot be parsed: `reason` is `empty`, `unreadable` or `too_complex`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def parse(markup: str) -> html.HtmlElement:
    """Return the `html` element of a page.

    Raises MarkupError if the page is empty or exceeds the bounds.
    """
    markup = _INLINE_DATA.sub("data:,", markup)
    if len(markup) > MAX_CHARS:
        raise MarkupError(
            "too_complex",
            f"{len(markup)} characters of markup, at most {MAX_CHARS} are read",
        )
    if markup.count("<") > MAX_TAGS and len(_TAG.findall(markup)) > MAX_TAGS:
        raise MarkupError("too_complex", f"more than {MAX_TAGS} tags")
    if any(_has_too_many_attributes(tag) for tag in _LONG_TAG.findall(markup)):
        raise MarkupError(
            "too_complex", f"an element with more than {MAX_ATTRIBUTES} attributes"
        )
    data = _valid(markup)
    if not data.strip():
        raise MarkupError("empty", "the page has no content")
    parser = etree.HTMLParser(
        collect_ids=False,
        default_doctype=False,
        encoding="utf-8",
        remove_comments=True,
        remove_pis=True,
    )
    parser.set_element_class_lookup(_ELEMENTS)
    try:
        tree = html.document_fromstring(data, parser=parser)
    except etree.ParserError as error:
        raise MarkupError("empty", "the page has no elements") from error
    except etree.LxmlError as error:
        raise MarkupError("unreadable", "the HTML parser failed") from error
    _check_bounds(tree)
    return tree


def _valid(markup: str) -> bytes:
    """Return the markup as UTF-8, without characters that XML does not allow."""
    markup = markup.replace("\ufffe", "").replace("\uffff", "")
    return markup.encode("utf-8", "ignore").translate(None, _CONTROLS)


def _has_too_many_attributes(part: str) -> bool:
    """Return True for what follows a "<" if its tag has too many attributes."""
    match = _TO_TAG_END.match(part)
    tag = _QUOTED.sub("=", match[0]) if match else ""
    return len(tag.replace("=", " ").split()) > 2 * MAX_ATTRIBUTES


def _check_bounds(tree: html.HtmlElement) -> None:
    count = int(_COUNT(tree))
    if count > MAX_ELEMENTS:
        raise MarkupError(
            "too_complex", f"{count} elements, at most {MAX_ELEMENTS} are read"
        )
    if _TOO_DEEP(tree):
        raise MarkupError("too_complex", f"elements nested more than {MAX_DEPTH} deep")


def of_class(
    pattern: re.Pattern[str], nodes: Iterable[html.HtmlElement]
) -> Iterator[html.HtmlElement]:
    """Yield the elements whose class has the pattern."""
    found = {None: False}  # by class: many elements share one
    for node in nodes:
        classes = node.get("class")
        if classes not in found:
            found[classes] = bool(pattern.search(classes))
        if found[classes]:
            yield node


def property_of(node: html.HtmlElement) -> str:
    """Return the names in microdata or RDFa of an element, in lower case."""
    return (node.get("itemprop") or node.get("property") or "").lower()


def visible_text(element: html.HtmlElement) -> str:
    """Return the visible text on one line, without scripts, styles and the like."""
    return clean(" ".join(_visible_parts(element)))


def _visible_parts(element: html.HtmlElement) -> list[str]:
    parts: list[str] = []
    hidden = 0
    for event, node in etree.iterwalk(element, events=("start", "end")):
        skipped = node.tag in INVISIBLE
        if event == "start":
            hidden += skipped
            if not hidden and node.text:
                parts.append(node.text)
        else:
            hidden -= skipped
            if not hidden and node.tail and node is not element:
                parts.append(node.tail)
    return parts


def absolute(base: str, href: str | None) -> str | None:
    """Return `href` resolved against `base` if it is an http(s) URL with a host.

    Placeholders of templates are no URLs.
    """
    if not href or len(href) > 4096 or _PLACEHOLDER.search(href):
        return None
    try:
        # Many templates leave spaces in URLs; browsers encode them.
        joined = urljoin(base, href.strip().replace(" ", "%20"))
        parts = urlsplit(joined)
        return joined if parts.scheme in ("http", "https") and parts.hostname else None
    except ValueError:
        return None


def base_of(tree: html.HtmlElement, url: str) -> str:
    """Return the base of relative links: `<base href>` if there is one, else `url`."""
    found = tree.find(".//base[@href]")
    return (absolute(url, found.get("href")) if found is not None else None) or url


def refresh_of(tree: html.HtmlElement, base: str) -> str | None:
    """Return the target of a meta refresh if the page has little else, else None."""
    for meta in tree.iter("meta"):
        if (meta.get("http-equiv") or "").strip().lower() != "refresh":
            continue
        if any(up.tag == "noscript" for up in meta.iterancestors()):
            continue
        delay_s, address = _refresh(meta.get("content") or "")
        target = absolute(base, address) if address else None
        if not target or delay_s > MAX_REFRESH_DELAY_S:
            continue
        if target.split("#")[0] != base.split("#")[0]:
            words = len(visible_text(tree).split())
            return target if words <= MAX_REFRESH_WORDS else None
    return None


def _refresh(content: str) -> tuple[float, str]:
    """Return delay in seconds and URL of a meta refresh ("5; url=https://…")."""
    content = content.strip()
    match = _DELAY.match(content)
    delay = match[0] if match else ""
    rest = content[len(delay) :].lstrip().lstrip(";,").lstrip()
    named = _URL_IS.match(rest)
    if named:
        rest = rest[named.end() :]
    return _number(delay), rest.strip("\"' \t\r\n")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
