"""OPML documents: the feeds of other readers, and those polled here."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from incidentwire.xml_repair import with_escaped_ampersands

# Characters that XML 1.0 cannot hold, and controls that a terminal would obey.
_NO_XML = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u200d\u2010-\u2029\u202f-\u2065\u206a-\ud7ff"
    "\ue000-\ufffd\U00010000-\U0010ffff]"
)


class OpmlError(ValueError):
    """A document that is not OPML; the message says why."""


def outlines(document: bytes) -> Iterator[tuple[str, str]]:
    """Yield address and title of each feed in an OPML document, each address once.

    Raises OpmlError.
    """
    root = _root(document)
    if root.tag.lower() != "opml":
        raise OpmlError(f"This is not OPML: its root is <{root.tag}>.")
    known = set[str]()
    for outline in root.iter("outline"):
        about = {name.lower(): value.strip() for name, value in outline.attrib.items()}
        url = re.sub(r"^feed:(//)?(?=https?:)", "", about.get("xmlurl", ""))
        url = re.sub(r"^feed://", "http://", url)
        if url and url not in known:
            known.add(url)
            yield url, about.get("title") or about.get("text") or ""


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


def _root(document: bytes) -> Any:
    """Parse OPML; bare ampersands, which many lists have, are escaped."""
    for attempt in (document, with_escaped_ampersands(document)):
        try:
            return fromstring(attempt, forbid_dtd=True)
        except (ParseError, DefusedXmlException, ValueError) as error:
            problem = str(error)
    raise OpmlError(
        f"This is not OPML: {problem}. Export the list of your reader as OPML."
    )
