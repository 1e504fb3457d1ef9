"""Bytes of pages to text.

In this order: a byte order mark, UTF-16 without one, the 7-bit encodings, and then as
incidentwire/decoding.py does by what header and page declare.
"""

from __future__ import annotations

import codecs
import re

from incidentwire import decoding
from incidentwire.charsets import codec_of, marked_codec

UTF32_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Written in 7-bit bytes, so that "is it ASCII?" cannot tell them.
SEVEN_BIT = frozenset({"iso2022_jp", "iso-2022-jp"})
_LANG = re.compile(rb"""<html\b[^<>]{0,300}?\slang=["']?([A-Za-z]{2})\b""", re.I)
META_CHARSET = re.compile(
    rb"""<(?:meta|\?xml)[^>]{0,300}?(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""",
    re.I,
)
META_WINDOW_BYTES = 4096  # the standard says 1,024; real pages put scripts first

TAGS_OF_A_PAGE = 4

MAGIC = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"Rar!",
    b"7z\xbc\xaf",
    b"\x7fELF",
    b"MZ\x90",
    b"RIFF",
    b"\x00\x00\x01\x00",
    b"OggS",
    b"ID3",
    b"\x28\xb5\x2f\xfd",
    b"BZh9",
    b"wOF2",
    b"\xd0\xcf\x11\xe0",
)


def looks_binary(body: bytes) -> bool:
    """Return True for pictures, archives and programs, and for NULs that no UTF-16 or
    UTF-32 text explains."""
    if body.startswith(MAGIC):
        return True
    head = body[:65_536]
    if b"\x00" not in head or body.startswith((*UTF32_MARKS, *UTF16_MARKS)):
        return False
    return head.count(b"\x00") > 8 and not _wide_without_mark(head)


def decode(body: bytes, declared: str | None) -> str:
    """Return the text of `body`; `declared` is the charset of the HTTP header.

    Never raises: what no encoding explains is U+FFFD.
    """
    if body.startswith(UTF32_MARKS):
        return body.decode("utf-32", "replace").removeprefix("\ufeff")
    marked = marked_codec(body)
    if marked:
        codec, length = marked
        return body[length:].decode(codec, "replace")
    if b"\x00" in body[:512] and _wide_without_mark(body[:65_536]):
        wide = "utf-16-le" if body[1:2] == b"\x00" else "utf-16-be"
        return body.decode(wide, "replace")
    stated = (codec_of(declared), codec_of(_meta_charset(body)))
    names = decoding.in_order_of_trust(*stated) or _usual_codecs(body)
    seven_bit = next((name for name in names if name in SEVEN_BIT), None)
    if seven_bit:
        return body.decode(seven_bit, "replace")
    return decoding.decode(body, names)


def _meta_charset(body: bytes) -> str | None:
    match = META_CHARSET.search(body[:META_WINDOW_BYTES])
    return match.group(1).decode("ascii") if match else None


def _usual_codecs(body: bytes) -> list[str]:
    """Return the encodings that pages of the stated language used before UTF-8.

    Source: https://html.spec.whatwg.org/#determining-the-character-encoding, for
    languages whose single-byte encodings detectors take for each other.
    """
    match = _LANG.search(body[:META_WINDOW_BYTES])
    return (
        list(decoding.USUAL_CODECS.get(match[1].decode().lower(), ())) if match else []
    )


def _wide_without_mark(head: bytes) -> bool:
    even = head[0::2].count(b"\x00")
    odd = head[1::2].count(b"\x00")
    if max(head.count(b"<\x00"), head.count(b"\x00<")) >= TAGS_OF_A_PAGE:
        # Of a Chinese page, mostly the markup has zero bytes.
        return max(even, odd) > 0.05 * len(head) / 2 and min(even, odd) < 0.8 * max(
            even, odd
        )
    return max(even, odd) > 0.4 * len(head) / 2 and min(even, odd) < 0.02 * len(head)
