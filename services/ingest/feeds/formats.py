"""JSON Feed and sitemaps: the formats that feedparser does not read. Pure.

Sources: jsonfeed.org/version/1.1, sitemaps.org/protocol.html, Google's news sitemap extension.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse

from services.ingest.feeds.model import (
    Entry,
    ParsedFeed,
    iso_date,
    language_of,
    newest,
    plain,
    plain_title,
    unread,
)

JSON_FEED = "jsonfeed.org/version/"
MAX_PARTS = 5  # sitemaps of an index that are looked at: news sites keep the last days in one or two


def absolute(base: str, link: object) -> str | None:
    """A link as an absolute http(s) URL, or None. White space around it is nobody's intention."""
    if not isinstance(link, str) or not link.strip():
        return None
    try:
        url = urljoin(base, link.strip())
    except ValueError:
        return None
    return url if url.lower().startswith(("http://", "https://")) else None


# -- JSON Feed -----------------------------------------------------------------------------------------------------


def read_json(body: bytes, url: str) -> ParsedFeed:
    """A JSON Feed, version 1 or 1.1. Items that are no objects are passed over, and said."""
    try:
        feed = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return unread("ill_formed", f"not well-formed JSON: {error}")
    if not isinstance(feed, dict) or JSON_FEED not in str(feed.get("version")):
        return unread(
            "not_a_feed",
            f"this is JSON but no JSON Feed: its version does not name {JSON_FEED}",
        )
    items = feed.get("items")
    if not isinstance(items, list):
        return unread("ill_formed", "the JSON Feed has no list of items")
    problems = []
    good = [item for item in items if isinstance(item, dict)]
    if len(good) < len(items):
        problems.append(f"{len(items) - len(good)} items are no objects")
    nameless = sum(item.get("id") in (None, "") for item in good)
    if nameless:
        problems.append(f"{nameless} items have no id")
    if feed.get("expired") is True:
        problems.append("the publisher says that this feed has expired")
    language = language_of(feed.get("language"))
    return ParsedFeed(
        kind="json",
        title=plain_title(feed.get("title")),
        language=language,
        entries=newest([_json_entry(item, url, language) for item in good]),
        problem="; ".join(problems),
    )


def _json_entry(item: Mapping[str, Any], base: str, language: str | None) -> Entry:
    name = item.get("id")
    key = plain(str(name)) if isinstance(name, str | int | float) else ""
    # version 1: an id that is a URL is the item's permanent address
    url = absolute(base, item.get("url")) or absolute(base, item.get("external_url"))
    if url is None and key.lower().startswith(("http://", "https://")):
        url = key
    updated = item.get("date_modified")
    return Entry(
        url=url,
        id=key,
        title=plain_title(item.get("title")),
        published=iso_date(item.get("date_published")) or iso_date(updated),
        updated=iso_date(updated) or plain(updated) or None,
        language=language_of(item.get("language"), language),
    )


# -- sitemaps ------------------------------------------------------------------------------------------------------


def read_sitemap(body: bytes, url: str) -> ParsedFeed:
    """A sitemap or an index of sitemaps. Where some pages carry news:news, only those are entries."""
    pages: list[dict[str, str]] = []
    parts: list[dict[str, str]] = []
    problem = ""
    try:
        for name, fields in _blocks(body):
            (pages if name == "url" else parts).append(fields)
    except ParseError as error:
        problem = f"not well-formed XML: {error}"
    except DefusedXmlException:
        problem = "the sitemap declares a document type or entities, which no sitemap needs: it is not read further"
    if parts and not pages:
        links = [
            link
            for part in sorted(parts, key=_urgency, reverse=True)
            if (link := absolute(url, part.get("loc")))
        ]
        return ParsedFeed(
            kind="sitemap_index", parts=tuple(links[:MAX_PARTS]), problem=problem
        )
    if problem and not pages:
        return unread("ill_formed", problem)
    news = [page for page in pages if "news" in page]
    entries = newest([_page_entry(page, url) for page in news or pages])
    return ParsedFeed(kind="sitemap", entries=entries, problem=problem)


def _blocks(body: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    """Each url and sitemap element as local names -> text, forgotten once yielded. Raises as defusedxml does."""
    fields: dict[str, str] = {}
    path: list[Any] = []
    for event, element in iterparse(
        io.BytesIO(body), events=("start", "end"), forbid_dtd=True
    ):
        name = element.tag.rpartition("}")[2]
        if event == "start":
            path.append(element)
            continue
        path.pop()
        if name in ("url", "sitemap"):
            yield name, fields
            fields = {}
        elif len(path) > 1:
            kind = "news" if "sitemap-news" in element.tag else ""
            if name != "loc" or not fields.get(
                "loc"
            ):  # image:loc and video:loc come after the page's own
                fields[name] = (element.text or "").strip()
            if kind and name == "news":
                fields["news"] = "yes"
        if path:
            path[-1].remove(element)


def _urgency(part: Mapping[str, str]) -> tuple[bool, str]:
    return "news" in part.get("loc", "").lower(), iso_date(part.get("lastmod")) or ""


def _page_entry(page: Mapping[str, str], base: str) -> Entry:
    changed = page.get("lastmod")
    return Entry(
        url=absolute(base, page.get("loc")),
        title=plain_title(page.get("title")),
        published=iso_date(page.get("publication_date")) or iso_date(changed),
        updated=iso_date(changed) or plain(changed) or None,
        language=language_of(page.get("language")),
    )
