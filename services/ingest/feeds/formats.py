"""JSON Feed and sitemaps: the formats that feedparser does not read. Pure.

Sources: jsonfeed.org/version/1.1, sitemaps.org/protocol.html, Google's news sitemap
extension.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urljoin

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse

from services.ingest.feeds.model import (
    Entry,
    ParsedFeed,
    bounded_texts,
    full_text,
    language_of,
    newest,
    plain,
    plain_title,
    published_date,
    unread,
    updated_mark,
)

JSON_FEED = "jsonfeed.org/version/"
MAX_PARTS = 5  # sitemaps read of an index; news sites keep the last days in one or two

# URL parsers drop breaks (WHATWG URL). A run of blanks is the indent of a folded line:
# feedparser has dropped its break already.
_BREAKS = re.compile(r" {2,}|[\t\r\n]")
_BLANKS = re.compile(r"\s")

# Marks without a width, which copying leaves. feedparser joins a link that begins with
# one to the feed's own address.
_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_AROUND = " \t\r\n\"'<>"  # what people put around an address
# Such a link is an address that was written wrongly, not a relative one.
_NO_LINK = re.compile(rf'[{_INVISIBLE}"<>\\]|\Awww\.', re.IGNORECASE)


def absolute(base: str, link: object) -> str | None:
    """Return a link as an absolute http(s) URL, or None.

    Blanks around it are dropped, a blank within is percent-encoded, as browsers do;
    breaks of folded lines go with their indent. A link that is only a fragment names
    the feed itself, and no entry.
    """
    if not isinstance(link, str):
        return None
    link = _BREAKS.sub("", link.strip().strip(_INVISIBLE).strip(_AROUND))
    if not link or _NO_LINK.search(link):
        return None
    before, mark, _ = link.partition("#")
    if mark and before in ("", base):
        return None
    link = _BLANKS.sub(lambda blank: quote(blank[0]), link)
    try:
        url = urljoin(base, link)
    except ValueError:
        return None
    return url if url.lower().startswith(("http://", "https://")) else None


# JSON Feed


def read_json(body: bytes, url: str) -> ParsedFeed:
    """Read a JSON Feed, version 1 or 1.1."""
    try:
        feed = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return unread("ill_formed", "not well-formed JSON")
    if not isinstance(feed, dict) or JSON_FEED not in str(feed.get("version")):
        return unread(
            "not_a_feed",
            f"this is JSON but not a JSON Feed: its version does not name {JSON_FEED}",
        )
    items = feed.get("items")
    if not isinstance(items, list):
        return unread("ill_formed", "the JSON Feed has no list of items")
    objects = [item for item in items if isinstance(item, dict)]
    language = feed.get("language")
    entries = newest([_json_entry(item, url, language) for item in objects])
    return ParsedFeed(
        kind="json",
        title=plain_title(feed.get("title")),
        language=language_of(language),
        entries=bounded_texts(entries),
        problem="; ".join(_json_problems(feed, objects)),
    )


def _json_problems(
    feed: Mapping[str, Any], objects: list[dict[str, Any]]
) -> Iterator[str]:
    others = len(feed["items"]) - len(objects)
    if others:
        yield f"{others} items are not objects"
    nameless = sum(item.get("id") in (None, "") for item in objects)
    if nameless:
        yield f"{nameless} items have no id"
    if feed.get("expired") is True:
        yield "the publisher says that this feed has expired"


def _json_entry(item: Mapping[str, Any], base: str, feed_language: object) -> Entry:
    name = item.get("id")
    key = plain(str(name)) if isinstance(name, str | int | float) else ""
    url = absolute(base, item.get("url")) or absolute(base, item.get("external_url"))
    # Version 1: an id that is a URL is the item's permanent address.
    if url is None and key.lower().startswith(("http://", "https://")):
        url = key
    language = item.get("language") or feed_language
    updated = item.get("date_modified")
    published = published_date(item.get("date_published"), language)
    return Entry(
        url=url,
        id=key,
        title=plain_title(item.get("title")),
        published=published or published_date(updated, language),
        updated=updated_mark(updated, language),
        language=language_of(item.get("language"), feed_language),
        text=full_text(item.get("content_html"))
        or full_text(item.get("content_text"), markup=False),
    )


# Sitemaps


def read_sitemap(body: bytes, url: str) -> ParsedFeed:
    """Read a sitemap or an index of sitemaps.

    If some pages carry news:news, only those are entries.
    """
    pages: list[dict[str, str]] = []
    parts: list[dict[str, str]] = []
    problem = ""
    try:
        for name, fields in _blocks(body):
            (pages if name == "url" else parts).append(fields)
    except ParseError:
        problem = "not well-formed XML"
    except DefusedXmlException:
        problem = (
            "the sitemap's document type declares entities, which no sitemap needs: "
            "it is not read further"
        )
    if parts and not pages:
        return ParsedFeed(
            kind="sitemap_index", parts=_part_links(parts, url), problem=problem
        )
    if problem and not pages:
        return unread("ill_formed", problem)
    news = [page for page in pages if "news" in page]
    entries = newest([_page_entry(page, url) for page in news or pages])
    return ParsedFeed(kind="sitemap", entries=entries, problem=problem)


def _blocks(body: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    """Return each url and sitemap element as local names -> text.

    An empty document type is passed over; entities are refused. Raises as defusedxml.
    """
    fields: dict[str, str] = {}
    path: list[Any] = []
    for event, element in iterparse(
        io.BytesIO(body), events=("start", "end"), forbid_dtd=False
    ):
        if event == "start":
            path.append(element)
            continue
        path.pop()
        name = element.tag.rpartition("}")[2]
        if name in ("url", "sitemap"):
            yield name, fields
            fields = {}
        elif len(path) > 1:
            _note(fields, name, element)
        if path:
            path[-1].remove(element)  # memory stays flat


def _note(fields: dict[str, str], name: str, element: Any) -> None:
    # image:loc and video:loc come after the page's own.
    if name != "loc" or not fields.get("loc"):
        fields[name] = (element.text or "").strip()
    if name == "news" and "sitemap-news" in element.tag:
        fields["news"] = "yes"


def _part_links(parts: list[dict[str, str]], base: str) -> tuple[str, ...]:
    by_urgency = sorted(parts, key=_urgency, reverse=True)
    links = (absolute(base, part.get("loc")) for part in by_urgency)
    return tuple(link for link in links if link)[:MAX_PARTS]


def _urgency(part: Mapping[str, str]) -> tuple[bool, str]:
    is_news = "news" in part.get("loc", "").lower()
    return is_news, published_date(part.get("lastmod")) or ""


def _page_entry(page: Mapping[str, str], base: str) -> Entry:
    changed = page.get("lastmod")
    language = page.get("language")
    published = published_date(page.get("publication_date"), language)
    return Entry(
        url=absolute(base, page.get("loc")),
        title=plain_title(page.get("title")),
        published=published or published_date(changed, language),
        updated=updated_mark(changed, language),
        language=language_of(language),
    )
