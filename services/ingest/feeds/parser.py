"""From the bytes of a feed to its entries: RSS, Atom, JSON Feed, sitemaps. Pure.

feedparser reads RSS and Atom, well-formed or not. It gets bytes in a BytesIO only: it
would open or fetch a str. Some of its expressions take quadratic time on hostile input,
so sandbox.py runs all this in a process of its own with a deadline. `read` never raises.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import feedparser
from feedparser.exceptions import CharacterEncodingOverride, NonXMLContentType

from incidentwire.charsets import marked_codec
from incidentwire.xml_repair import (
    with_escaped_ampersands,
    with_possible_references,
)
from services.ingest.feeds import repair
from services.ingest.feeds.formats import absolute, read_json, read_sitemap
from services.ingest.feeds.model import (
    MAX_PROBLEM,
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

HEAD_BYTES = 20_000  # the first element begins within them
MAX_NAME = 40  # characters of a root element's name in a message
DOCUMENT_TYPES = ("application/pdf", "text/plain")  # that are read beside HTML
FEED_ROOTS = ("rss", "rdf", "feed", "channel")
PERIODS_S = {
    "hourly": 3600,
    "daily": 86_400,
    "weekly": 604_800,
    "monthly": 2_592_000,
    "yearly": 31_536_000,
}

# What a parser of hostile text has been seen to raise, or may: it must end as a problem
# of that feed.
_CONFUSED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
_ROOT = re.compile(rb"<\s{0,9}(?:[\w.-]{1,40}:)?([A-Za-z][\w.-]{0,99})")
_NAME = re.compile(
    r"<(?:\w{1,40}:)?(?:guid|id)\b[^<>]{0,500}>\s{0,99}"
    r"(?:<!\[CDATA\[)?([^<\]]{1,2000})",
    re.IGNORECASE,
)
_LINK_TAG = re.compile(r"<link\b[^<>]{1,1000}>", re.IGNORECASE)
_FEED_TYPE = re.compile(
    r"""type\s*=\s*["']?application/(?:rss\+xml|atom\+xml|feed\+json)""", re.IGNORECASE
)
_HREF = re.compile(r"""href\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)


def read(
    body: bytes, *, url: str, headers: Mapping[str, str] | None = None
) -> ParsedFeed:
    """Return the feed in `body`.

    `url` is where it came from, after redirects. Of `headers`, Content-Type and
    Content-Language count. Content-Location does not: it is no base any more (RFC
    7231, appendix B), and proxies put inner names there.
    """
    try:
        body = repair.unpacked(body)
    except repair.UnpackError as error:
        return unread("ill_formed", str(error))
    if not body.strip(b" \t\r\n\0\xef\xbb\xbf"):
        return unread("not_a_feed", "the document is empty")
    if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return read_json(body, url)
    match _root(body):
        case "urlset" | "sitemapindex":
            return _read_sitemap(body, url)
        case "html":
            return unread(
                "not_a_feed",
                "this is an HTML page, not a feed" + _named_feed(body, url),
            )
        case "opml":
            return unread(
                "not_a_feed",
                "this is a list of feeds (OPML): "
                "import it with `incidentwire feeds import`",
            )
        case root:
            return _read_xml(body, url, headers or {}, root)


def _read_sitemap(body: bytes, url: str) -> ParsedFeed:
    """Read a sitemap; if it is ill-formed, with its bare ampersands escaped."""
    found = read_sitemap(body, url)
    if not found.problem or b"&" not in body or b"\0" in body:
        return found
    repaired = read_sitemap(with_escaped_ampersands(body), url)
    return found if repaired.problem else replace(repaired, problem=found.problem)


def parse_xml(body: bytes, url: str, headers: Mapping[str, str]) -> Any:
    """Return feedparser's result, with encoding, ampersands and links repaired.

    `url` may be empty: then relative links stay relative.
    """
    about = {name.lower(): value for name, value in headers.items()}
    about.setdefault("content-type", "application/xml")
    about["content-location"] = url  # the base of relative links, for feedparser
    clean, about["content-type"] = repair.as_utf8(body, about["content-type"])
    is_declared = repair.is_utf_8(body) or marked_codec(body) is not None
    is_misdeclared = clean != body and not is_declared
    body = clean if b"\0" in clean else with_possible_references(clean)
    result = feedparser.parse(io.BytesIO(body), response_headers=about)
    if _is_broken(result) and b"&" in body and b"\0" not in body:
        escaped = with_escaped_ampersands(body)
        repaired = feedparser.parse(io.BytesIO(escaped), response_headers=about)
        if not repaired.get("bozo"):
            # The document itself is still ill-formed, which its problem must tell.
            repaired["bozo"] = result["bozo"]
            repaired["bozo_exception"] = result.get("bozo_exception")
            result = repaired
    if is_misdeclared and not result.get("bozo"):
        result["bozo"] = True
        result["bozo_exception"] = CharacterEncodingOverride(
            "it does not declare the encoding that it is in"
        )
    for entry in result["entries"]:
        _repair_link(entry)
    return result


def _repair_link(entry: Any) -> None:
    """Set the entry's link to its page.

    feedparser knows relations by their short names only, and lets a link element
    without href that comes after the page's own, such as an enclosure, take its place.
    If there is no web page, the first other representation is the entry's.
    """
    links = [link for link in dict.get(entry, "links", ()) if _is_alternate(link)]
    pages = [link["href"] for link in links if "html" in link.get("type", "html")]
    if not pages and (dict.get(entry, "guidislink") or not dict.get(entry, "link")):
        pages = [link["href"] for link in links if link.get("type") in DOCUMENT_TYPES]
    if pages and dict.get(entry, "link") not in pages:
        entry["link"] = pages[0]
        entry["guidislink"] = False


def _is_alternate(link: Mapping[str, str]) -> bool:
    # A relation may be written as an IRI: http://www.iana.org/assignments/relation/…
    relation = link.get("rel", "").strip().lower().rpartition("/")[2]
    return relation == "alternate" and bool(link.get("href"))


def _read_xml(
    body: bytes, url: str, headers: Mapping[str, str], root: str
) -> ParsedFeed:
    try:
        result = parse_xml(body, url, headers)
        feed = result["feed"]
        language = dict.get(feed, "language")
        names = _written_names(body)
        entries = newest(
            [_entry(entry, url, language, names) for entry in result["entries"]]
        )
        title = plain_title(dict.get(feed, "title"), markup=True)
        period_s = _period_s(feed)
    except _CONFUSED as error:
        return unread("unreadable", f"the reader failed on it ({type(error).__name__})")
    problem, is_broken = _problem(result)
    version = result.get("version") or ""
    if not version and not entries and root not in FEED_ROOTS:
        named = f"this is XML but not a feed: its root is <{root[:MAX_NAME]}>"
        return unread("not_a_feed", problem if is_broken else named)
    if is_broken and not entries:
        return unread("ill_formed", problem)
    is_atom = version.startswith("atom") or root == "feed"
    return ParsedFeed(
        kind="atom" if is_atom else "rss",
        title=title,
        language=language_of(language),
        entries=bounded_texts(entries),
        problem=problem,
        period_s=period_s,
    )


def _is_broken(result: Any) -> bool:
    """Return whether the document itself is ill-formed, and not only its headers."""
    error = result.get("bozo_exception")
    by_headers = isinstance(error, CharacterEncodingOverride | NonXMLContentType)
    return bool(result.get("bozo")) and not by_headers


def _problem(result: Any) -> tuple[str, bool]:
    """Return what is wrong in words, and whether the document itself is broken."""
    if not result.get("bozo"):
        return "", False
    error = result.get("bozo_exception")
    words = plain(str(error)).removeprefix("<unknown>:") or type(error).__name__
    if not _is_broken(result):
        return words[:MAX_PROBLEM], False
    return f"not well-formed XML: {words}"[:MAX_PROBLEM], True


def _entry(
    entry: Any, base: str, feed_language: object, names: frozenset[str]
) -> Entry:
    detail = dict.get(entry, "title_detail") or {}
    is_markup = detail.get("type") not in ("text/plain", None)
    language = (
        dict.get(entry, "language") or detail.get("language") or feed_language or ""
    )
    # dict.get: feedparser's own `get` would answer for another date
    updated = dict.get(entry, "updated")
    dates = (
        published_date(dict.get(entry, name), language)
        for name in ("published", "created", "updated")
    )
    published = next(filter(None, dates), None)
    return Entry(
        url=_address(entry, base, names),
        id=plain(dict.get(entry, "id"))[:1000],
        title=plain_title(dict.get(entry, "title"), markup=is_markup),
        published=published,
        updated=updated_mark(updated, language),
        language=language_of(language),
        text=_content(entry),
    )


def _address(entry: Any, base: str, names: frozenset[str]) -> str | None:
    """Return the entry's own address; none is made up from a name."""
    origin = dict.get(entry, "feedburner_origlink")
    if origin:
        return absolute(base, origin)
    link = dict.get(entry, "link")
    if isinstance(link, str) and link.startswith(f"{base.rpartition('/')[0]}/www."):
        return None  # feedparser joins www.example.org/a to the feed's address
    if dict.get(entry, "guidislink") and link == dict.get(entry, "id"):
        # feedparser joins a guid such as 48213 to the feed's address
        return absolute("", link) if link in names else None
    return absolute(base, link)


def _written_names(body: bytes) -> frozenset[str]:
    """Return the names of entries as the document writes them."""
    text = body.decode("utf-8", "replace")
    return frozenset(html.unescape(name.strip()) for name in _NAME.findall(text))


def _content(entry: Any) -> str:
    """Return the article that the feed carries; a summary is none."""
    contents = dict.get(entry, "content") or ()
    texts = [
        full_text(content.get("value"), markup=content.get("type") != "text/plain")
        for content in contents
    ]
    return max(texts, key=len, default="")


def _period_s(feed: Any) -> float:
    """Return the shortest period between polls that the publisher wants; 0 if unsaid.

    Either <ttl> in minutes, or the words of the syndication module.
    """
    ttl = plain(dict.get(feed, "ttl"))
    ttl_s = float(ttl) * 60 if re.fullmatch(r"[0-9]{1,7}", ttl) else 0.0
    period = PERIODS_S.get(plain(dict.get(feed, "sy_updateperiod")).lower(), 0)
    times = plain(dict.get(feed, "sy_updatefrequency"))
    return max(
        ttl_s, period / max(1, int(times) if re.fullmatch(r"[0-9]{1,4}", times) else 1)
    )


def _root(body: bytes) -> str:
    """Return the local name of the root element in lower case, empty if there is none.

    UTF-16 and UTF-32 are read by leaving the zero bytes out.
    """
    head = body[:HEAD_BYTES].replace(b"\0", b"")
    position = 0
    while (begin := head.find(b"<", position)) >= 0:
        if head.startswith(b"<?", begin):
            end = head.find(b"?>", begin)
        elif head.startswith(b"<!--", begin):
            end = head.find(b"-->", begin)
        elif head.startswith(b"<!", begin):
            end = head.find(b">", begin)
        else:
            match = _ROOT.match(head, begin)
            if match:
                return match[1].decode("ascii").lower()
            end = begin
        if end < 0:
            return ""
        position = end + 1
    return ""


def _named_feed(body: bytes, url: str) -> str:
    """Return the first feed that an HTML page points at, as the end of a sentence."""
    for tag in _LINK_TAG.findall(body[:200_000].decode("utf-8", "replace")):
        href = _HREF.search(tag)
        if href and _FEED_TYPE.search(tag):
            link = absolute(url, href[1].replace("&amp;", "&"))
            if link:
                return f"; it names {link}"
    return ""
