"""Bytes to text: the encoding that fits them, whatever a stranger declares. Pure.

In this order: a byte order mark, UTF-8 (with few bad bytes), the multi-byte encoding that is declared and
fits, the declared single-byte ones, detection. A declaration that does not fit the bytes
is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from charset_normalizer import from_bytes

from incidentwire.charsets import marked_codec
from incidentwire.latin_languages import language_of_words

MULTI_BYTE = frozenset({"gb18030", "big5hkscs", "cp932", "euc_jp", "euc-jp", "cp949"})
# What detection chooses from: the encodings that pages without UTF-8 still use.
CANDIDATES = [
    "gb18030",
    "big5",
    "euc_jp",
    "cp932",
    "cp949",
    "cp1252",
    "cp1251",
    "koi8_r",
    "cp1250",
    "iso8859_2",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp1257",
]
# Of the non-ASCII characters of UTF-8 with bad bytes, at least so many are whole for
# each bad byte. Latin-1 text read as UTF-8 has next to none.
WHOLE_TO_BAD = 5
# Of the letters of a text in a single-byte encoding, more than this share beyond ASCII
# is no Western language: the declaration is probably the server's default.
FOREIGN_SHARE = 0.3
DEFAULT_CODEC = "cp1252"
USUAL_CODECS = {
    **dict.fromkeys(
        ("cs", "hr", "hu", "pl", "ro", "sk", "sl"), ("iso8859-2", "cp1250")
    ),
    **dict.fromkeys(("az", "tr"), ("cp1254",)),
    **dict.fromkeys(("et", "lt", "lv"), ("cp1257",)),
    "el": ("iso8859-7", "cp1253"),
    "he": ("cp1255",),
    **dict.fromkeys(
        "ca da de es eu fi fr ga gl id is it nb nl nn no pt sv".split(),
        (DEFAULT_CODEC,),
    ),
}
# Nearly every text fits several encodings of Latin letters: the language of its words
# decides, else the default of the web.
LATIN_CODECS = frozenset({"cp1250", "cp1252", "cp1254", "cp1257", "iso8859_2"})
DETECT_BYTES = 32_768
# Of characters that came out as U+FFFD; above it, a declared encoding is a lie.
MAX_BAD_SHARE = 0.005

_FIRST_BYTES = bytes(range(0xC2, 0x100))  # of characters of several bytes
_C1 = re.compile("[\x80-\x9f]")
_LATIN_BEYOND_ASCII = re.compile(
    "[\xa1-\xff\u0152\u0153\u0160\u0161\u0178\u017d\u017e]"
)
_ASCII_LETTER = re.compile("[A-Za-z]")
_MARKUP = re.compile(r"<[^<>]{0,1000}>")


def decode(body: bytes, declared: Sequence[str]) -> str:
    """Return the text of bytes, without their byte order mark.

    `declared` are Python's names of the encodings that are declared, the most credible
    first. Never raises: what no encoding explains is U+FFFD.
    """
    marked = marked_codec(body)
    if marked:
        codec, length = marked
        return body[length:].decode(codec, "replace")
    return _utf8(body) or _best(body, declared)


def in_order_of_trust(header: str | None, document: str | None) -> list[str]:
    """Return what the HTTP header and the document itself declare, without None.

    Servers say Latin-1 of whatever they serve.
    """
    stated = [header, document]
    if header == DEFAULT_CODEC and document:
        stated.reverse()
    return list(dict.fromkeys(name for name in stated if name))


def _utf8(body: bytes) -> str | None:
    """Return the text if it is UTF-8, with few bad bytes at most; else None."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    whole = len(body) - len(body.translate(None, _FIRST_BYTES)) - bad
    return text if whole >= WHOLE_TO_BAD * bad else None


def _best(body: bytes, names: Sequence[str]) -> str:
    """Return the text under the first name that fits, else under the one that fits
    best. Multi-byte names come first: a single-byte one accepts any bytes."""
    credible = [name for name in names if name != "utf-8"]  # which did not fit
    candidates = sorted(credible, key=lambda name: name not in MULTI_BYTE)
    best = ""
    fewest = 2.0
    for name in (*candidates, None, "utf-8"):
        text = body.decode(name or _detect(body), "replace")
        bad = _bad_share(text)
        if bad < fewest:
            best = text
            fewest = bad
        if bad <= MAX_BAD_SHARE:
            break
    return _detected(body) or best if _looks_foreign(best) else best


def _bad_share(text: str) -> float:
    """Return the share of characters that a wrong encoding leaves behind: U+FFFD, and
    C1 controls of single-byte encodings."""
    controls = len(_C1.findall(text))
    return (text.count("\ufffd") + controls) / max(len(text), 1)


def _looks_foreign(text: str) -> bool:
    """Return True for text of Latin letters that no Western language would have."""
    latin = len(_LATIN_BEYOND_ASCII.findall(text))
    ascii_letters = len(_ASCII_LETTER.findall(_MARKUP.sub("", text)))
    return latin > FOREIGN_SHARE * (latin + ascii_letters)


def _detected(body: bytes) -> str | None:
    """Return the text in the detected encoding, None if it fits no better."""
    text = body.decode(_detect(body), "replace")
    fits = _bad_share(text) <= MAX_BAD_SHARE and not _looks_foreign(text)
    return text if fits else None


def _detect(body: bytes) -> str:
    start = next((index for index, byte in enumerate(body) if byte > 0x7F), 0)
    sample = body[max(0, start - 1000) : start + DETECT_BYTES]
    found = from_bytes(sample, steps=3, chunk_size=512, cp_isolation=CANDIDATES).best()
    if found is None:
        return DEFAULT_CODEC
    if found.encoding not in LATIN_CODECS:
        return found.encoding
    # Words of plain letters are the same in all of them.
    words = _MARKUP.sub(" ", sample.decode("ascii", "replace")).lower().split()
    language = language_of_words([word for word in words if word.isascii()])
    usual = USUAL_CODECS.get(language, (DEFAULT_CODEC,))
    return found.encoding if found.encoding in usual else usual[-1]
