"""The article's node in a page's JSON-LD, with its fields as plain values.

See https://schema.org/NewsArticle.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from itertools import islice
from typing import Any

from lxml import html

from services.classifier.extraction.boilerplate import squeeze
from services.classifier.extraction.cleaning import clean, clean_lines

MAX_SCRIPT_CHARS = 2_000_000
MAX_NODES = 3_000
PART_CHARS = 3  # of a headline, which are looked for in the page's titles
OTHER_SHARE = 0.4  # of these; fewer are in the titles of a page about something else
MAX_TITLES = 5  # title elements and headlines that are compared with the data
MAX_DEPTH = 12  # of nested objects; articles are at depths of 1 to 4
NEST_LIMIT = 200  # consecutive brackets; json raises RecursionError on many more
HEAD_CHARS = 100_000  # of a script, searched for them

# Strings are copied; comments and trailing commas are removed. Unclosed strings and
# comments reach to the end, so each character is read once.
_TO_REPAIR = re.compile(
    r'("(?:[^"\\]|\\.)*+(?:"|\Z))|//[^\n]*+|/\*(?:.*?\*/|.*+\Z)|,\s*+(?=[}\]])'
    r"|(\bundefined\b)|[\u00a0\u200b\ufeff]",
    re.S,
)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.S)
_ESCAPE = re.compile(r'\\(?:(["\\/bfnrt]|u[0-9a-fA-F]{4})|.)', re.S)
_NO_BRACKET = re.compile(r"[^][{}]++")
_CLOSING = {"{": "}", "[": "]"}
_CDATA = re.compile(r"<!\[CDATA\[|\]\](?:>|&gt;)")
_DECODER = json.JSONDecoder(strict=False)
_TAGS = re.compile(r"<(?:br|/p|/div|/li|/h\d)[^>]*>|\n", re.I)
_ANY_TAG = re.compile(r"</?[A-Za-z][^>]{0,500}>")
_ARTICLE_TYPE = re.compile(r"(?:Article|Posting|Report|CreativeWork|Review)$")
_SITE_TYPES = ("WebSite", "Organization", "NewsMediaOrganization")
_BOOLEANS = {
    "true": True,
    "false": False,
    "http://schema.org/false": False,
    "https://schema.org/false": False,
}
# Keys of objects that may hold the article itself. Others (`citation`,
# `itemListElement`) hold related articles.
_UPDATE_KEYS = ("articleBody", "text", "description")  # of a live blog's update
_NESTED_KEYS = ("@graph", "mainEntity", "mainEntityOfPage", "hasPart", "isPartOf")


@dataclass(frozen=True, kw_only=True)
class ArticleData:
    """The fields of a page's structured data; "" or None if absent."""

    headline: str = ""
    body: str = ""  # articleBody, one line per paragraph
    description: str = ""
    authors: tuple[str, ...] = ()
    published: str = ""
    section: str = ""
    publisher: str = ""
    language: str = ""
    word_count: int | None = None
    accessible_for_free: bool | None = None


def read(tree: html.HtmlElement, url: str) -> ArticleData:
    """Return the data of the main article in the page's JSON-LD; empty if none."""
    nodes = _nodes(tree)
    site = _site_name(nodes)
    titles = _shown_titles(tree)
    paths = [_path(name) for name in (url, _canonical(tree)) if name]
    own = [node for node in nodes if not _is_other(node, paths, titles)]
    main = _main_article(own, url, titles)
    if main is None:
        return ArticleData(publisher=site)
    by_id = {
        node["@id"]: node
        for node in nodes
        if isinstance(node.get("@id"), str) and len(node) > 2
    }
    return _article(main, by_id, site)


def _shown_titles(tree: html.HtmlElement) -> str:
    """Return the words of the page's title and headlines, without blanks."""
    titles = islice(tree.iter("title", "h1"), MAX_TITLES)
    return squeeze(" ".join(title.text_content()[:1000] for title in titles))


def _canonical(tree: html.HtmlElement) -> str:
    found = tree.find(".//link[@rel='canonical']")
    return str(found.get("href") or "") if found is not None else ""


def _is_other(node: dict[str, Any], paths: list[str], titles: str) -> bool:
    """Return True for an article with the address of another page and a headline that
    has little in common with what this one shows."""
    headline = squeeze(_plain(node.get("headline")))
    names = [name for name in _addresses(node) if _path(name).count("/")]
    if not headline or not titles or not names or not _is_article(node):
        return False
    if any(path in name for path in paths for name in names):
        return False
    last = max(len(headline) - PART_CHARS, 0)
    parts = [headline[at : at + PART_CHARS] for at in range(last + 1)]
    return sum(part in titles for part in parts) < OTHER_SHARE * len(parts)


def _addresses(node: dict[str, Any]) -> list[str]:
    """Return the URLs that an article gives itself."""
    about = node.get("mainEntityOfPage")
    names = [
        node.get("url"),
        node.get("@id"),
        about.get("@id") if isinstance(about, dict) else about,
    ]
    return [name for name in names if isinstance(name, str) and "//" in name]


def _path(url: str) -> str:
    """Return host and path of a URL, as far as two addresses of a page share them."""
    bare = url.split("//", 1)[-1].split("?")[0].split("#")[0]
    return bare.rstrip("/").removeprefix("www.")


def _main_article(
    nodes: list[dict[str, Any]], url: str, titles: str
) -> dict[str, Any] | None:
    """Return the article that the page is about, else a dated page, else None."""
    articles = [node for node in nodes if _is_article(node)]
    if articles:
        return max(articles, key=lambda node: _closeness(node, url, titles))
    pages = (
        node
        for node in nodes
        if _kind(node).endswith("Page") and "datePublished" in node
    )
    return next(pages, None)


def _is_article(node: dict[str, Any]) -> bool:
    if not _ARTICLE_TYPE.search(_kind(node)):
        return False
    return any(key in node for key in ("headline", "articleBody", "datePublished"))


def _site_name(nodes: list[dict[str, Any]]) -> str:
    for node in nodes:
        if _kind(node) in _SITE_TYPES and isinstance(node.get("name"), str):
            return clean(node["name"])
    return ""


def _article(node: dict[str, Any], by_id: dict[str, Any], site: str) -> ArticleData:
    free = str(node.get("isAccessibleForFree", "")).strip().lower()
    names = _names(_people(node.get("author") or node.get("creator"), by_id), by_id)
    headline = node.get("headline")
    if not headline and _kind(node).endswith("Page"):
        headline = node.get("name")
    return ArticleData(
        headline=_plain(headline),
        body=_body(node),
        description=_plain(node.get("description")),
        authors=tuple(dict.fromkeys(name for name in names if name)),
        published=_date(node.get("datePublished") or node.get("dateCreated")),
        section=_plain(_first(node.get("articleSection"))),
        publisher=next(iter(_names(node.get("publisher"), by_id)), "") or site,
        language=_plain(_first(node.get("inLanguage"))),
        word_count=_count(node.get("wordCount")),
        accessible_for_free=_BOOLEANS.get(free),
    )


def _count(value: Any) -> int | None:
    digits = str(value or "")
    if digits.isascii() and digits.isdigit() and len(digits) < 7:
        return int(digits)
    return None


def _nodes(tree: html.HtmlElement) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for script in tree.iter("script"):
        text = script.text or ""
        if "ld+json" not in (script.get("type") or "").lower():
            continue
        if text and len(text) <= MAX_SCRIPT_CHARS:
            found.extend(islice(_walk(_load(text), 0), MAX_NODES - len(found)))
        if len(found) >= MAX_NODES:
            break
    return found


def _load(text: str) -> Any:
    """Return the JSON values of a script as a list, without unreadable parts."""
    if "[" * NEST_LIMIT in re.sub(r"\s", "", text[:HEAD_CHARS]):
        return []
    try:
        return [json.loads(text, strict=False)]
    except (ValueError, RecursionError):
        pass
    return _repaired(text) or _repaired(unescape(text))


def _repaired(text: str) -> list[Any]:
    """Return the objects in a script with comments, CDATA marks, trailing commas, or
    anything around or between the objects."""
    text = _closed(_TO_REPAIR.sub(_kept, _CDATA.sub("\n", text)))
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


def _kept(match: re.Match[str]) -> str:
    """Return a string with readable escapes, null for undefined, "" for the rest."""
    if match[1]:
        return _ESCAPE.sub(
            lambda escape: escape[0] if escape[1] else escape[0][1:], match[1]
        )
    return "null" if match[2] else ""


def _closed(text: str) -> str:
    """Return a script with the brackets at its end that it leaves open."""
    stack: list[str] = []
    for bracket in _NO_BRACKET.sub("", _STRING.sub("", text)):
        if bracket in _CLOSING:
            stack.append(_CLOSING[bracket])
        elif stack and stack[-1] == bracket:
            stack.pop()
        else:
            return text
    return text.rstrip().rstrip(",") + "".join(reversed(stack)) if stack else text


def _first_object(text: str, start: int) -> int:
    """Return the offset of the first object, or of the list around it; -1 if none."""
    brace = text.find("{", start)
    before = text[start:brace].rstrip() if brace >= 0 else ""
    return start + len(before) - 1 if before.endswith("[") else brace


def _walk(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Yield the objects that may describe the page, in document order."""
    if depth > MAX_DEPTH:
        return
    if isinstance(value, list):
        for part in value:
            yield from _walk(part, depth + 1)
    elif isinstance(value, dict):
        yield value
        is_article = _ARTICLE_TYPE.search(_kind(value))
        for key in _NESTED_KEYS:
            if key in value and not (key == "hasPart" and is_article):
                yield from _walk(value[key], depth + 1)


def _closeness(node: dict[str, Any], url: str, titles: str) -> tuple[int, ...]:
    """Return a sort key: an article with the page's URL ranks highest.

    Then one whose headline the page shows, a news type, a date, and the longest body.
    """
    headline = squeeze(_plain(node.get("headline")))
    path = _path(url)
    same = "/" in path and any(path in name for name in _addresses(node))
    return (
        int(same),
        int(bool(headline) and headline in titles),
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


def _date(value: Any) -> str:
    """Return a date that is written plainly, in a list, or as a typed value."""
    value = _first(value)
    return _plain(value.get("@value") if isinstance(value, dict) else value)


def _people(value: Any, by_id: dict[str, Any]) -> list[Any]:
    """Return the authors without organizations, or all if there are no others."""
    authors = _list(value)
    people = [author for author in authors if not _is_organization(author, by_id)]
    return people or authors


def _is_organization(author: Any, by_id: dict[str, Any]) -> bool:
    if not isinstance(author, dict):
        return False
    name = author.get("@id")
    known = by_id.get(name, author) if isinstance(name, str) else author
    return _kind(known).endswith("Organization")


def _names(value: Any, by_id: dict[str, Any], depth: int = 0) -> Iterator[str]:
    for part in _list(value):
        if isinstance(part, dict) and depth < 3:
            if "name" in part:
                yield from _names(part["name"], by_id, depth + 1)
            elif "familyName" in part:
                given = part.get("givenName")
                family = part["familyName"]
                yield f"{_plain(given)} {_plain(family)}".strip()
            elif isinstance(part.get("@id"), str) and part["@id"] in by_id:
                yield from _names(by_id[part["@id"]].get("name"), by_id, depth + 1)
        elif isinstance(part, str) and not part.startswith(("http://", "https://")):
            yield _plain(part)


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _first(value: Any) -> Any:
    return next(iter(_list(value)), None)


def _plain(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    return clean(_ANY_TAG.sub(" ", unescape(unescape(value))))


def _body(node: dict[str, Any]) -> str:
    """Return articleBody, or the updates of a live blog, the longer of the two."""
    stated = _paragraphs(node.get("articleBody") or node.get("reviewBody"))
    updates = [
        part
        for update in _list(node.get("liveBlogUpdate"))[:MAX_NODES]
        if isinstance(update, dict)
        for part in (
            _plain(update.get("headline")),
            next(
                filter(None, (_paragraphs(update.get(key)) for key in _UPDATE_KEYS)), ""
            ),
        )
        if part
    ]
    live = "\n".join(updates)
    return max(stated, live, key=len)


def _paragraphs(value: Any) -> str:
    """Return articleBody as lines. It is plain text, HTML or escaped HTML."""
    if isinstance(value, list):
        value = "\n".join(part for part in value if isinstance(part, str))
    if not isinstance(value, str):
        return ""
    if "<" in value or "&" in value:
        value = _ANY_TAG.sub(" ", _TAGS.sub("\n", unescape(value)))
    return clean_lines(value)
