"""OPML documents: the feeds of other readers, and those polled here.

Many lists are no XML: bare ampersands and angle brackets, unclosed elements, wrong
encodings. Only outlines and their attributes matter, so they are found by a linear scan
that needs no well-formed document and knows no entity but characters.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from incidentwire.charsets import codec_of
from incidentwire.decoding import decode

# Characters that XML 1.0 cannot hold, and controls that a terminal would obey.
_NO_XML = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u200d\u2010-\u2029\u202f-\u2065\u206a-\ud7ff"
    "\ue000-\ufffd\U00010000-\U0010ffff]"
)


_PROLOG = re.compile(rb"""\A\s{0,99}<\?xml[^<>]{0,200}encoding=["']([\w-]{1,40})["']""")
_ROOT = re.compile(r"<(?:\w{1,40}:)?([A-Za-z][\w.-]{0,40})")
# Possessive: no position of a tag is tried twice.
_OUTLINE = re.compile(
    r"""<(?:\w{1,40}:)?outline\b"""
    r"""((?:[^<>"']++|"[^"]{0,4000}+"|'[^']{0,4000}+'){0,100}+)/?>""",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(
    r"""([\w:.-]{1,40})\s{0,9}=\s{0,9}(?:"([^"]*)"|'([^']*)'|([^\s"']+))"""
)
_FEED_TYPES = frozenset({"rss", "atom", "feed"})  # of outlines that say url, not xmlUrl


class OpmlError(ValueError):
    """A document that is not OPML; the message says why."""


def outlines(document: bytes) -> Iterator[tuple[str, str]]:
    """Yield address and title of each feed in an OPML document, each address once.

    Raises OpmlError.
    """
    text = _without_comments(_decoded(document))
    root = _ROOT.search(text)
    if root is None or root[1].lower() != "opml":
        found = f"its root is <{root[1]}>" if root else "it has no element"
        raise OpmlError(
            f"This is not OPML: {found}. Export the list of your reader as OPML."
        )
    known = set[str]()
    for outline in _OUTLINE.finditer(text):
        about = _attributes(outline[1])
        url = about.get("xmlurl", "")
        if not url and about.get("type", "").lower() in _FEED_TYPES:
            url = about.get("url", "")
        url = re.sub(r"^feed:(//)?(?=https?:)", "", url)
        url = re.sub(r"^feed://", "http://", url)
        if url and url not in known:
            known.add(url)
            yield url, about.get("title") or about.get("text") or ""
    if not known:
        raise OpmlError(
            "This OPML names no feed. Export the list of your reader again."
        )


def opml_of(feeds: Sequence[Mapping[str, Any]]) -> str:
    """Return an OPML 2.0 document of feeds as the API shows them."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<opml version="2.0">']
    lines += ["  <head><title>Feeds of Incidentwire</title></head>", "  <body>"]
    for feed in feeds:
        url, title = (
            html.escape(_NO_XML.sub(" ", feed[name])) for name in ("url", "title")
        )
        lines.append(
            f'    <outline type="rss" text="{title or url}" title="{title or url}" xmlUrl="{url}"/>'
        )
    return "\n".join([*lines, "  </body>", "</opml>", ""])


def _attributes(tag: str) -> dict[str, str]:
    """Return the attributes of a tag by name in lower case; of equal names the first."""
    about: dict[str, str] = {}
    for name, *values in _ATTRIBUTE.findall(tag):
        value = _NO_XML.sub(" ", html.unescape("".join(values))).strip()
        about.setdefault(name.lower(), value)
    return about


def _decoded(document: bytes) -> str:
    """Return the text, by its mark, its bytes and its prolog."""
    prolog = _PROLOG.match(document)
    codec = codec_of(prolog[1].decode("ascii")) if prolog else None
    return decode(document, [codec] if codec else [])


def _without_comments(text: str) -> str:
    """Return the text without comments; one that never ends stays."""
    parts = []
    position = 0
    while (begin := text.find("<!--", position)) >= 0:
        end = text.find("-->", begin)
        if end < 0:
            break
        parts.append(text[position:begin])
        position = end + 3
    return "".join([*parts, text[position:]])
