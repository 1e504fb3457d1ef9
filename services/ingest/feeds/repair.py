"""Repairs of feed documents before they are parsed. Pure, linear.

Each is common on real servers and has one sensible reading.
"""

from __future__ import annotations

import re
import zlib

MAX_UNPACKED_BYTES = 50_000_000  # sitemaps.org: the largest sitemap, before packing
GZIP = b"\x1f\x8b"
PROLOG_BYTES = 200
# Stray bytes in a document that is UTF-8 all the same, and their share of its bytes.
MAX_ERRORS = 5
MAX_ERROR_SHARE = 0.002
MAX_WESTERN_SHARE = 0.1  # of accented letters and quotes in Western text
UTF8_NAMES = frozenset({"utf-8", "utf8"})
WIDE = ("utf-16", "utf-32", "ucs-")  # encodings whose text is full of zero bytes

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
    """Return a document and its Content-Type, both saying UTF-8 if it is UTF-8.

    UTF-8 with a few stray bytes stays UTF-8: a reader that falls back to a single-byte
    encoding accepts anything, and turns every other character into mojibake. A false
    "utf-16" in the prolog is removed.
    """
    if body.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in body[:PROLOG_BYTES]:
        return body, content_type
    named = _ENCODING.search(body[:PROLOG_BYTES])
    prolog = named[2].decode("ascii").lower() if named else ""
    if named and prolog.startswith(WIDE):
        body = named[1] + body[named.end() :]
        prolog = ""
    header = _CHARSET.search(content_type)
    declared = {prolog, header[1].lower() if header else ""} - {""}
    text = body.decode("utf-8", "replace")
    if declared <= UTF8_NAMES and _is_single_byte(text):
        text = body.decode("windows-1252", "replace")
    elif not _is_utf8(len(body), text, declared):
        return body, content_type
    media_type = content_type.partition(";")[0].strip()
    return text.encode(), f"{media_type}; charset=utf-8"


def _is_single_byte(text: str) -> bool:
    """Return whether bytes were no UTF-8 wherever they were not ASCII, and as rare as
    in Western languages; Cyrillic or Hebrew has many more of them."""
    errors = text.count("\ufffd")
    if errors > MAX_WESTERN_SHARE * len(text):
        return False
    return errors > 0 and len(text.encode()) - len(text) == 2 * errors


def _is_utf8(size: int, text: str, declared: set[str]) -> bool:
    """Return whether bytes are UTF-8, by what decoding them with replacement gave.

    Other encodings give many errors and hardly a valid multi-byte sequence.
    """
    if text.isascii():
        return False  # nothing to decide
    errors = text.count("\ufffd")
    if errors > MAX_ERRORS + MAX_ERROR_SHARE * size:
        return False
    if declared and declared <= UTF8_NAMES:
        return True
    continuation_bytes = len(text.encode()) - len(text) - 2 * errors
    return continuation_bytes > 10 * errors
