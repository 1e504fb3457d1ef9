"""Elements of Atom feeds (RFC 4287)."""

from __future__ import annotations

from xml.etree import ElementTree as ET  # only written here, never read

ATOM = "http://www.w3.org/2005/Atom"
MEDIA_TYPE = "application/atom+xml"


def new_feed(feed_id: str, title: str, updated: str) -> ET.Element:
    """Return a feed without entries; `updated` is RFC 3339."""
    ET.register_namespace("", ATOM)
    feed = ET.Element(f"{{{ATOM}}}feed")
    add(feed, "id", feed_id)
    add(feed, "title", title)
    add(feed, "updated", updated)
    add(add(feed, "author"), "name", "Incidentwire")
    return feed


def add(
    parent: ET.Element, name: str, text: str | None = None, **attributes: str
) -> ET.Element:
    """Append an element to `parent` and return it."""
    made = ET.SubElement(parent, f"{{{ATOM}}}{name}", attributes)
    made.text = text
    return made


def document(feed: ET.Element) -> bytes:
    """Return the feed as UTF-8."""
    encoded: bytes = ET.tostring(feed, "utf-8", xml_declaration=True)
    return encoded
