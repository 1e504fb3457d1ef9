"""Repair of the commonest fault of XML on the web: ampersands that nobody escaped."""

from __future__ import annotations

import html.entities
import re

_AMPERSAND = re.compile(rb"&(#?\w{1,31};)?")
_REFERENCES = re.compile(rb"(?:&#(?:[0-9]{1,10}|[xX][0-9a-fA-F]{1,8});){1,2}")
_NUMBER = re.compile(rb"&#(?:[xX]([0-9a-fA-F]+)|([0-9]+));")
_MAX_CODE_POINT = 0x10FFFF
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


def with_possible_references(body: bytes) -> bytes:
    """Return XML in which each numeric reference names a character.

    The two halves of a surrogate pair become the one character that they stand for, a
    lone half or a number beyond Unicode U+FFFD. For documents in an ASCII superset.
    """
    return _REFERENCES.sub(_possible, body)


def _possible(match: re.Match[bytes]) -> bytes:
    codes = [
        int(number[1], 16) if number[1] else int(number[2])
        for number in _NUMBER.finditer(match[0])
    ]
    if not any(_is_surrogate(code) or code > _MAX_CODE_POINT for code in codes):
        return match[0]
    pair = "".join(chr(min(code, _MAX_CODE_POINT)) for code in codes)
    text = pair.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    known = (char if ord(char) < _MAX_CODE_POINT else "\ufffd" for char in text)
    return "".join(f"&#{ord(char)};" for char in known).encode()


def _is_surrogate(code: int) -> bool:
    return 0xD800 <= code <= 0xDFFF


def _escaped(match: re.Match[bytes]) -> bytes:
    entity = match[1]
    if not entity:
        return b"&amp;"
    if entity in _XML_ENTITIES or entity.startswith(b"#"):
        return match[0]
    code = html.entities.name2codepoint.get(entity[:-1].decode("ascii", "replace"))
    return f"&#{code};".encode() if code else b"&amp;" + entity
