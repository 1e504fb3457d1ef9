"""From the bytes of a feed to its entries: RSS 0.9x, 1.0 and 2.0, Atom, JSON Feed, sitemaps. Pure, and never raises.

feedparser reads RSS and Atom, well-formed or not. It is given bytes in a BytesIO only: a str or a path it would open
or fetch. Some of its expressions take quadratic time on hostile input, so feed_apart.py runs all this in a process of
its own with a deadline.
"""

from __future__ import annotations

import calendar
import io
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import feedparser
from feedparser.exceptions import CharacterEncodingOverride, NonXMLContentType

from services.ingest.feeds.formats import absolute, read_json, read_sitemap
from services.ingest.feeds.model import (
    Entry,
    ParsedFeed,
    language_of,
    newest,
    plain,
    plain_title,
    rfc3339,
    unread,
)

MAX_UNPACKED_BYTES = 50_000_000  # sitemaps.org: the largest sitemap, before packing
HEAD_BYTES = 20_000  # where the first element has to begin
GZIP = b"\x1f\x8b"
PERIODS_S = {
    "hourly": 3600,
    "daily": 86_400,
    "weekly": 604_800,
    "monthly": 2_592_000,
    "yearly": 31_536_000,
}

# What a parser of hostile text has been seen to raise, or may: it must end as a problem of that feed.
_CONFUSED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
_BEFORE_ROOT = re.compile(rb"<\?.*?\?>|<!--.*?-->|<![^>]*>", re.DOTALL)
_ROOT = re.compile(rb"<\s*(?:[\w.-]+:)?([A-Za-z][\w.-]*)")
_LINK_TAG = re.compile(r"<link\b[^<>]{1,1000}>", re.IGNORECASE)
_FEED_TYPE = re.compile(
    r"""type\s*=\s*["']?application/(?:rss\+xml|atom\+xml|feed\+json)""", re.IGNORECASE
)
_HREF = re.compile(r"""href\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)


def read(
    body: bytes, *, url: str, headers: Mapping[str, str] | None = None
) -> ParsedFeed:
    """The feed in `body`. `url` is where it came from (after redirects); of `headers`, Content-Type,
    Content-Location and Content-Language count."""
    if body.startswith(GZIP):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            body = unpacker.decompress(body, MAX_UNPACKED_BYTES)
        except zlib.error as error:
            return unread("ill_formed", f"not well-formed gzip: {error}")
        if unpacker.unconsumed_tail:
            return unread(
                "unreadable",
                f"the feed is larger than {MAX_UNPACKED_BYTES:,} bytes once unpacked",
            )
    if not body.strip(b" \t\r\n\0\xef\xbb\xbf"):
        return unread("not_a_feed", "the document is empty")
    if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return read_json(body, url)
    match _root(body):
        case "urlset" | "sitemapindex":
            return read_sitemap(body, url)
        case "html":
            return unread(
                "not_a_feed",
                "this is an HTML page, not a feed" + _feeds_named(body, url),
            )
        case "opml":
            return unread(
                "not_a_feed",
                "this is a list of feeds (OPML): import it with `incidentwire feeds import`",
            )
        case root:
            return _read_xml(body, url, headers or {}, root)


def parse_xml(body: bytes, url: str, headers: Mapping[str, str]) -> Any:
    """feedparser's result, with the links mended. `url` may be empty: then relative links stay relative."""
    about = {name.lower(): value for name, value in headers.items()}
    about.setdefault("content-type", "application/xml")
    location = urljoin(url, about.get("content-location", ""))
    about["content-location"] = (
        location if location.startswith(("http://", "https://")) else url
    )
    result = feedparser.parse(io.BytesIO(body), response_headers=about)
    for entry in result["entries"]:
        # a link element without href that comes after the page's own, such as an enclosure, takes its place
        pages = [
            link["href"] for link in dict.get(entry, "links", ()) if _is_page(link)
        ]
        if pages and dict.get(entry, "link") not in pages:
            entry["link"] = pages[0]
    return result


def _read_xml(
    body: bytes, url: str, headers: Mapping[str, str], root: str
) -> ParsedFeed:
    try:
        result = parse_xml(body, url, headers)
        feed = result["feed"]
        language = language_of(dict.get(feed, "language"))
        entries = newest([_entry(entry, url, language) for entry in result["entries"]])
        title = plain_title(dict.get(feed, "title"), markup=True)
        period_s = _period_s(feed)
    except _CONFUSED as error:
        return unread("unreadable", f"the reader failed on it ({type(error).__name__})")
    problem, broken = _problem(result)
    version = result.get("version") or ""
    if not version and not entries and root not in ("rss", "rdf", "feed", "channel"):
        return unread(
            "not_a_feed",
            problem if broken else f"this is XML but no feed: its root is <{root}>",
        )
    if broken and not entries:
        return unread("ill_formed", problem)
    kind = "atom" if version.startswith("atom") or root == "feed" else "rss"
    return ParsedFeed(
        kind=kind,
        title=title,
        language=language,
        entries=entries,
        problem=problem,
        period_s=period_s,
    )


def _problem(result: Any) -> tuple[str, bool]:
    """What is wrong, in words, and whether it is the document itself and not only what is said about it."""
    if not result.get("bozo"):
        return "", False
    error = result.get("bozo_exception")
    said = plain(str(error)).removeprefix("<unknown>:") or type(error).__name__
    if isinstance(error, CharacterEncodingOverride | NonXMLContentType):
        return said[:300], False
    return f"not well-formed XML: {said}"[:300], True


def _entry(entry: Any, base: str, language: str | None) -> Entry:
    link = (
        dict.get(entry, "feedburner_origlink")
        or dict.get(entry, "link")
        or dict.get(entry, "id")
    )
    detail = dict.get(entry, "title_detail") or {}
    markup = detail.get("type") not in ("text/plain", None)
    updated = _date(entry, "updated")
    return Entry(
        url=absolute(base, link),
        id=plain(dict.get(entry, "id"))[:1000],
        title=plain_title(dict.get(entry, "title"), markup=markup),
        published=_date(entry, "published") or _date(entry, "created") or updated,
        updated=updated or plain(dict.get(entry, "updated"))[:100] or None,
        language=language_of(
            dict.get(entry, "language"), detail.get("language"), language
        ),
    )


def _date(entry: Any, name: str) -> str | None:
    parsed = dict.get(
        entry, f"{name}_parsed"
    )  # dict.get: feedparser's own would answer for another date
    if parsed is None:
        return None
    try:
        return rfc3339(datetime.fromtimestamp(calendar.timegm(parsed), UTC))
    except (ValueError, OverflowError, OSError):
        return None


def _period_s(feed: Any) -> float:
    """How often the publisher wants to be asked at most: <ttl> in minutes, or the syndication module's words."""
    ttl = plain(dict.get(feed, "ttl"))
    ttl_s = float(ttl) * 60 if re.fullmatch(r"[0-9]{1,7}", ttl) else 0.0
    period = PERIODS_S.get(plain(dict.get(feed, "sy_updateperiod")).lower(), 0)
    times = plain(dict.get(feed, "sy_updatefrequency"))
    return max(
        ttl_s, period / max(1, int(times) if re.fullmatch(r"[0-9]{1,4}", times) else 1)
    )


def _is_page(link: Mapping[str, str]) -> bool:
    return (
        link.get("rel") == "alternate"
        and bool(link.get("href"))
        and "html" in link.get("type", "html")
    )


def _root(body: bytes) -> str:
    """The local name of the root element, in lower case; UTF-16 and UTF-32 by leaving the zero bytes out."""
    head = _BEFORE_ROOT.sub(b"", body[:HEAD_BYTES].replace(b"\0", b""))
    match = _ROOT.search(head)
    return match[1].decode("ascii").lower() if match else ""


def _feeds_named(body: bytes, url: str) -> str:
    """The feeds that an HTML page points at, as the end of a sentence."""
    named = []
    for tag in _LINK_TAG.findall(body[:200_000].decode("utf-8", "replace")):
        href = _HREF.search(tag)
        if (
            href
            and _FEED_TYPE.search(tag)
            and (link := absolute(url, href[1].replace("&amp;", "&")))
        ):
            named.append(link)
    return f"; it names {named[0]}" if named else ""
