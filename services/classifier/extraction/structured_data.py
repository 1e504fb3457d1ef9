"""What a page says of itself in JSON-LD (https://schema.org/NewsArticle): the node of the article, and its
fields as plain values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any

from lxml import html

from services.classifier.extraction.decoding import clean, clean_lines

MAX_SCRIPT_CHARS = 2_000_000
MAX_NODES = 3_000
MAX_DEPTH = 12  # of nested objects that are looked into; articles sit at 1 to 4
NEST_LIMIT = 200  # brackets in a row that no honest script opens; json would raise RecursionError

# Strings are kept, comments and commas before a closing bracket go; what is left open
# reaches to the end, so that every character is read once.
_TO_REPAIR = re.compile(
    r'("(?:[^"\\]|\\.)*+(?:"|\Z))|//[^\n]*+|/\*(?:.*?\*/|.*+\Z)|,\s*+(?=[}\]])', re.S
)
_CDATA = re.compile(r"<!\[CDATA\[|\]\](?:>|&gt;)")
_DECODER = json.JSONDecoder(strict=False)
_TAGS = re.compile(r"<(?:br|/p|/div|/li|/h\d)[^>]*>|\n", re.I)
_ANY_TAG = re.compile(r"</?[A-Za-z][^>]{0,500}>")
_ARTICLE_TYPE = re.compile(r"(?:Article|Posting|Report|CreativeWork|Review)$")


@dataclass(frozen=True, kw_only=True)
class ArticleData:
    """The fields that a page's own structured data gives; "" or None where it gives none."""

    kind: str = ""  # the schema.org type, as NewsArticle
    headline: str = ""
    body: str = ""  # articleBody, a paragraph a line
    description: str = ""
    authors: tuple[str, ...] = ()
    published: str = ""
    modified: str = ""
    section: str = ""
    publisher: str = ""
    language: str = ""
    word_count: int | None = None
    accessible_for_free: bool | None = None


def read(tree: html.HtmlElement, url: str) -> ArticleData:
    """The main article's data among all JSON-LD of the page; empty where there is none."""
    nodes = _nodes(tree)
    by_id = {
        node["@id"]: node
        for node in nodes
        if isinstance(node.get("@id"), str) and len(node) > 2
    }
    articles = [
        node
        for node in nodes
        if _ARTICLE_TYPE.search(_kind(node))
        and ("headline" in node or "articleBody" in node or "datePublished" in node)
    ]
    sites = [
        node
        for node in nodes
        if _kind(node) in ("WebSite", "Organization", "NewsMediaOrganization")
    ]
    pages = [
        node
        for node in nodes
        if _kind(node).endswith("Page") and "datePublished" in node
    ]
    site = next(
        (
            clean(str(node["name"]))
            for node in sites
            if isinstance(node.get("name"), str)
        ),
        "",
    )
    main = max(articles, key=lambda node: _closeness(node, url), default=None) or (
        pages[0] if pages else None
    )
    if main is None:
        return ArticleData(publisher=site)
    return _article(main, by_id, site)


def _article(node: dict[str, Any], by_id: dict[str, Any], site: str) -> ArticleData:
    count = str(node.get("wordCount") or "")
    free = str(node.get("isAccessibleForFree", "")).strip().lower()
    authors = tuple(
        dict.fromkeys(
            name
            for name in _names(node.get("author") or node.get("creator"), by_id)
            if name
        )
    )
    return ArticleData(
        kind=_kind(node),
        headline=_plain(
            node.get("headline") or node.get("name")
            if _kind(node).endswith("Page")
            else node.get("headline")
        ),
        body=_body(node),
        description=_plain(node.get("description")),
        authors=authors,
        published=_plain(node.get("datePublished") or node.get("dateCreated")),
        modified=_plain(node.get("dateModified")),
        section=_plain(_first(node.get("articleSection"))),
        publisher=next(iter(_names(node.get("publisher"), by_id)), "") or site,
        language=_plain(_first(node.get("inLanguage"))),
        word_count=int(count)
        if count.isascii() and count.isdigit() and len(count) < 7
        else None,
        accessible_for_free={
            "true": True,
            "false": False,
            "http://schema.org/false": False,
            "https://schema.org/false": False,
        }.get(free),
    )


def _nodes(tree: html.HtmlElement) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for script in tree.iter("script"):
        if (
            "ld+json" in (script.get("type") or "").lower()
            and script.text
            and len(script.text) <= MAX_SCRIPT_CHARS
        ):
            for node in _walk(_load(script.text), 0):
                found.append(node)
                if len(found) >= MAX_NODES:
                    return found
    return found


def _load(text: str) -> Any:
    """Return the JSON values of a script as a list; what cannot be read is left out."""
    if "[" * NEST_LIMIT in re.sub(r"\s", "", text[:100_000]):
        return []
    try:
        return [json.loads(text, strict=False)]
    except (ValueError, RecursionError):
        pass
    return _repaired(text) or _repaired(unescape(text))


def _repaired(text: str) -> list[Any]:
    """Return the objects in a script with comments, CDATA marks, trailing commas, or
    anything around or between the objects."""
    text = _TO_REPAIR.sub(lambda match: match[1] or "", _CDATA.sub("\n", text))
    found: list[Any] = []
    start = _first_object(text, 0)
    while start >= 0:
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            break
        found.append(value)
        start = _first_object(text, end)
    return found


def _first_object(text: str, start: int) -> int:
    """Return where the first object, or the list that it opens, begins; -1 if none."""
    brace = text.find("{", start)
    before = text[start:brace].rstrip() if brace >= 0 else ""
    return start + len(before) - 1 if before.endswith("[") else brace


def _walk(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Every object that may be a thing of its own; related articles nested as a part of one (`citation`,
    `itemListElement`) are not."""
    if depth > MAX_DEPTH:
        return
    if isinstance(value, list):
        for part in value:
            yield from _walk(part, depth + 1)
    elif isinstance(value, dict):
        yield value
        for key in (
            "@graph",
            "mainEntity",
            "mainEntityOfPage",
            "hasPart",
            "liveBlogUpdate",
            "isPartOf",
        ):
            if key in value and not (
                key == "liveBlogUpdate"
                or (key == "hasPart" and _ARTICLE_TYPE.search(_kind(value)))
            ):
                yield from _walk(value[key], depth + 1)


def _closeness(node: dict[str, Any], url: str) -> tuple[int, int, int, int]:
    """Which of several articles the page is about: the one that names the page's address, then a news type, a
    date, the longest body."""
    about = node.get("mainEntityOfPage")
    names = [
        node.get("url"),
        node.get("@id"),
        about.get("@id") if isinstance(about, dict) else about,
    ]
    path = (
        url.split("//", 1)[-1]
        .split("?")[0]
        .split("#")[0]
        .rstrip("/")
        .removeprefix("www.")
    )
    same = any(
        isinstance(name, str) and path and "/" in path and path in name
        for name in names
    )
    return (
        int(same),
        int(_kind(node).endswith(("Article", "Posting"))),
        int("datePublished" in node),
        len(str(node.get("articleBody") or "")),
    )


def _kind(node: dict[str, Any]) -> str:
    kinds = [str(kind).rsplit("/", 1)[-1] for kind in _list(node.get("@type"))]
    return next(
        (kind for kind in kinds if _ARTICLE_TYPE.search(kind)),
        kinds[0] if kinds else "",
    )


def _names(value: Any, by_id: dict[str, Any], depth: int = 0) -> Iterator[str]:
    for part in _list(value):
        if isinstance(part, dict) and depth < 3:
            if "name" in part:
                yield from _names(part["name"], by_id, depth + 1)
            elif isinstance(part.get("@id"), str) and part["@id"] in by_id:
                yield from _names(by_id[part["@id"]].get("name"), by_id, depth + 1)
        elif isinstance(part, str) and not part.startswith(("http://", "https://")):
            yield _plain(part)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _first(value: Any) -> Any:
    return next(iter(_list(value)), None)


def _plain(value: Any) -> str:
    return (
        clean(_ANY_TAG.sub(" ", unescape(unescape(value))))
        if isinstance(value, str)
        else ""
    )


def _body(node: dict[str, Any]) -> str:
    """Return articleBody, or the updates of a live blog, the longer of the two."""
    stated = _paragraphs(node.get("articleBody") or node.get("reviewBody"))
    updates = [
        part
        for update in _list(node.get("liveBlogUpdate"))[:MAX_NODES]
        if isinstance(update, dict)
        for part in (
            _plain(update.get("headline")),
            _paragraphs(update.get("articleBody")),
        )
        if part
    ]
    live = "\n".join(updates)
    return max(stated, live, key=len)


def _paragraphs(value: Any) -> str:
    """articleBody as lines: it comes as plain text, as HTML, or as escaped HTML."""
    if isinstance(value, list):
        value = "\n".join(part for part in value if isinstance(part, str))
    if not isinstance(value, str):
        return ""
    return (
        clean_lines(_ANY_TAG.sub(" ", _TAGS.sub("\n", unescape(value))))
        if "<" in value or "&" in value
        else clean_lines(value)
    )
