"""Repair of the commonest fault of XML on the web: ampersands that nobody escaped."""

from __future__ import annotations

import html.entities
import re

_AMPERSAND = re.compile(rb"&(#?\w{1,31};)?")
_XML_ENTITIES = frozenset({b"amp;", b"lt;", b"gt;", b"quot;", b"apos;"})


def with_escaped_ampersands(body: bytes) -> bytes:
    """Return XML with bare ampersands escaped and HTML's entities as characters.

    CDATA sections are left alone. For documents in an ASCII superset.
    """
    parts = []
    position = 0
    while True:
        begin = body.find(b"<![CDATA[", position)
        if begin < 0:
            parts.append(_AMPERSAND.sub(_escaped, body[position:]))
            return b"".join(parts)
        parts.append(_AMPERSAND.sub(_escaped, body[position:begin]))
        end = body.find(b"]]>", begin)
        if end < 0:
            parts.append(body[begin:])
            return b"".join(parts)
        parts.append(body[begin : end + 3])
        position = end + 3


def _escaped(match: re.Match[bytes]) -> bytes:
    entity = match[1]
    if not entity:
        return b"&amp;"
    if entity in _XML_ENTITIES or entity.startswith(b"#"):
        return match[0]
    code = html.entities.name2codepoint.get(entity[:-1].decode("ascii", "replace"))
    return f"&#{code};".encode() if code else b"&amp;" + entity
