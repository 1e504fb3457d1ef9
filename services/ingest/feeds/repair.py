"""Repairs of feed documents before they are parsed. Pure, linear.

Each is common on real servers and has one sensible reading.
"""

from __future__ import annotations

import re
import zlib

from incidentwire.charsets import codec_of, marked_codec
from incidentwire.decoding import decode, in_order_of_trust

MAX_UNPACKED_BYTES = 50_000_000  # sitemaps.org: the largest sitemap, before packing
GZIP = b"\x1f\x8b"
PROLOG_BYTES = 200

_ENCODING = re.compile(rb"""(<\?xml[^>]{0,150}?)\s+encoding\s*=\s*["']([\w.:-]+)["']""")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)


class UnpackError(ValueError):
    """A gzip body that is damaged, or too large once unpacked."""


def unpacked(body: bytes) -> bytes:
    """Return a body without gzip, all of its members joined. Raises UnpackError."""
    if not body.startswith(GZIP):
        return body
    parts: list[bytes] = []
    left = MAX_UNPACKED_BYTES
    while body.startswith(GZIP):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            part = unpacker.decompress(body, left + 1)
        except zlib.error as error:
            if parts:
                break  # trailing bytes after whole members
            raise UnpackError(f"not well-formed gzip: {error}") from None
        left -= len(part)
        if left < 0:
            raise UnpackError(
                f"the feed is larger than {MAX_UNPACKED_BYTES:,} bytes once unpacked"
            )
        parts.append(part)
        body = unpacker.unused_data
    return b"".join(parts)


def as_utf8(body: bytes, content_type: str = "") -> tuple[bytes, str]:
    """Return a document and its Content-Type, both in UTF-8 if they were not right.

    The bytes decide, not what prolog and header declare: a false declaration turns
    every other character into mojibake. UTF-16 without a mark is left as it is.
    """
    header = _CHARSET.search(content_type)
    prolog = _ENCODING.search(body[:PROLOG_BYTES])
    from_header = codec_of(header[1]) if header else None
    from_prolog = codec_of(prolog[2].decode("ascii")) if prolog else None
    if b"\0" in body[:PROLOG_BYTES] and marked_codec(body) is None:
        return body, content_type
    text = decode(body, in_order_of_trust(from_header, from_prolog))
    if _is_read_as(text, body, from_header or from_prolog):
        return body, content_type
    media_type = content_type.partition(";")[0].strip()
    return _without_encoding(text.encode()), f"{media_type}; charset=utf-8"


def _is_read_as(text: str, body: bytes, codec: str | None) -> bool:
    """Return whether a parser that believes the declaration reads this text."""
    if text.isascii():
        return b"\0" not in body[:PROLOG_BYTES]
    try:
        return codec is not None and body.decode(codec) == text
    except UnicodeDecodeError:
        return False


def _without_encoding(document: bytes) -> bytes:
    named = _ENCODING.search(document[:PROLOG_BYTES])
    return named[1] + document[named.end() :] if named else document


def is_utf_8(document: bytes) -> bool:
    """Return whether all of a document is UTF-8."""
    try:
        document.decode()
    except UnicodeDecodeError:
        return False
    return True
