"""Bytes of a page to clean Unicode text: which encoding is it really, and what may stay in a kept text.

Order of belief: a byte order mark, bytes that are valid UTF-8 beyond ASCII, the HTTP header, the page's own `meta`,
detection. A declaration that does not fit the bytes is a lie and is passed over."""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

from incidentwire.normal_form import normalize

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What browsers read under a declared name (https://encoding.spec.whatwg.org/#names-and-labels): the superset.
SUPERSETS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "tis-620": "cp874",
}
# Written in 7-bit bytes, so "is it ASCII?" cannot tell them; utf-7 is never honoured (a known way to smuggle markup).
SEVEN_BIT = frozenset({"iso2022_jp", "hz", "iso2022_kr"})
META_CHARSET = re.compile(
    rb"""<(?:meta|\?xml)[^>]{0,300}?(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""",
    re.I,
)
META_WINDOW_BYTES = 4096  # the standard says 1,024; real pages put scripts first
DETECT_BYTES = 32_768
MAX_BAD_SHARE = 0.005  # of characters that came out as U+FFFD; above it, a declared encoding is taken for a lie

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

_LINE_BREAKS = re.compile(r"\r\n?|[\u2028\u2029\x0b\x0c\x85]")
# Controls and invisible formatting; zero-width (non-)joiners stay, since Persian, Hindi and emoji need them.
_UNWANTED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


def looks_binary(body: bytes) -> bool:
    """True where the bytes are a picture, an archive or a program, or hold NULs that no UTF-16 or UTF-32 text
    explains."""
    if body.startswith(MAGIC):
        return True
    head = body[:65_536]
    if b"\x00" not in head or any(body.startswith(mark) for mark, _ in BOMS[1:]):
        return False
    return head.count(b"\x00") > 8 and not _wide_without_mark(head)


def decode(body: bytes, declared: str | None) -> str:
    """The text of `body`; `declared` is the charset of the HTTP header, if any. Never raises: what no encoding
    explains is U+FFFD."""
    for mark, name in BOMS:
        if body.startswith(mark):
            return body.decode(name, "replace").removeprefix("\ufeff")
    if b"\x00" in body[:512] and _wide_without_mark(body[:65_536]):
        return body.decode(
            "utf-16-le" if body[1:2] == b"\x00" else "utf-16-be", "replace"
        )
    names = [name for name in (_known(declared), _known(_meta_charset(body))) if name]
    seven_bit = next((name for name in names if name in SEVEN_BIT), None)
    if seven_bit:
        return body.decode(seven_bit, "replace")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        pass
    return _best(body, names)


def clean(text: str) -> str:
    """One line: NFC, no control or invisible formatting characters, runs of white space as one space."""
    return normalize("NFC", _UNWANTED.sub("", " ".join(text.split()))).strip()


def clean_lines(text: str) -> str:
    """Lines cleaned like `clean`, empty ones dropped, joined by a single newline."""
    return "\n".join(
        line
        for line in (clean(raw) for raw in _LINE_BREAKS.sub("\n", text).split("\n"))
        if line
    )


def _best(body: bytes, names: list[str]) -> str:
    """Tries each name, then UTF-8, then detection; takes the first with few enough replacement characters, else
    the one with fewest."""
    best, fewest = "", 2.0
    for name in [*names, "utf-8", None]:
        text = body.decode(name or _detect(body), "replace")
        # A single-byte encoding accepts anything; C1 controls are what a wrong one leaves behind.
        bad = (
            text.count("\ufffd")
            + sum(text.count(chr(code)) for code in range(0x80, 0xA0))
        ) / max(len(text), 1)
        if bad < fewest:
            best, fewest = text, bad
        if bad <= MAX_BAD_SHARE:
            break
    return best


def _detect(body: bytes) -> str:
    start = next((index for index, byte in enumerate(body) if byte > 0x7F), 0)
    sample = body[max(0, start - 1000) : start + DETECT_BYTES]
    found = from_bytes(sample, steps=3, chunk_size=512).best()
    return _known(found.encoding) or "cp1252" if found else "cp1252"


def _meta_charset(body: bytes) -> str | None:
    match = META_CHARSET.search(body[:META_WINDOW_BYTES])
    return match.group(1).decode("ascii") if match else None


def _known(name: str | None) -> str | None:
    """Python's name of the encoding that browsers would use, or None for no, unknown or refused names."""
    if not name:
        return None
    try:
        found = codecs.lookup(name.strip().strip("\"'")).name
        b"".decode(found)  # refuses what is no text encoding, as base64
    except (LookupError, ValueError):
        return None
    # A page read so far as bytes cannot be UTF-16 without a mark: browsers take such a declaration for UTF-8.
    if found.startswith(("utf-16", "utf-32", "utf-7", "idna", "punycode")):
        return None
    return SUPERSETS.get(found, found)


def _wide_without_mark(head: bytes) -> bool:
    even, odd = head[0::2].count(b"\x00"), head[1::2].count(b"\x00")
    return max(even, odd) > 0.4 * len(head) / 2 and min(even, odd) < 0.02 * len(head)
