"""Bytes to text.

In this order: a byte order mark, UTF-16 without one, UTF-8 (with few bad bytes), the
multi-byte encoding that header or page declares and that fits, the declared single-byte
ones, detection. A declaration that does not fit the bytes is passed over.
"""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

from incidentwire.charsets import codec_of, marked_codec
from incidentwire.normal_form import normalize
from services.classifier.text.language import UNKNOWN, language_of_words

UTF32_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Written in 7-bit bytes, so that "is it ASCII?" cannot tell them.
SEVEN_BIT = frozenset({"iso2022_jp", "iso-2022-jp"})
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
# Nearly every text fits several encodings of Latin letters: the language decides.
LATIN_CODECS = frozenset({"cp1250", "cp1252", "cp1254", "cp1257", "iso8859_2"})
_LANG = re.compile(rb"""<html\b[^<>]{0,300}?\slang=["']?([A-Za-z]{2})\b""", re.I)
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

_C1 = re.compile("[\x80-\x9f]")
_LATIN_BEYOND_ASCII = re.compile(
    "[\xa1-\xff\u0152\u0153\u0160\u0161\u0178\u017d\u017e]"
)
_ASCII_LETTER = re.compile("[A-Za-z]")
_MARKUP = re.compile(r"<[^<>]{0,1000}>")
_LINE_BREAKS = re.compile(r"\r\n?|[\u2028\u2029\x0b\x0c\x85]")
# Controls and invisible formatting; zero-width (non-)joiners stay, since Persian, Hindi and emoji need them.
_UNWANTED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
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
    stated = [codec_of(declared), codec_of(_meta_charset(body))]
    if stated[0] == DEFAULT_CODEC and stated[1]:
        stated.reverse()  # servers say Latin-1 of whatever they serve
    names = list(dict.fromkeys(name for name in stated if name))
    names = names or _usual_codecs(body)
    seven_bit = next((name for name in names if name in SEVEN_BIT), None)
    if seven_bit:
        return body.decode(seven_bit, "replace")
    return _utf8(body) or _best(body, names)


def _utf8(body: bytes) -> str | None:
    """Return the text if it is UTF-8, with few bad bytes at most; else None."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    whole = sum(1 for byte in body if byte >= 0xC2) - bad
    return text if whole >= WHOLE_TO_BAD * bad else None


def clean(text: str) -> str:
    """Return the text on one line: NFC, white space folded, without control and
    invisible formatting characters."""
    line = " ".join(text.split())
    if line.isascii() and line.isprintable():
        return line
    return normalize("NFC", _UNWANTED.sub("", line)).strip()


def clean_lines(text: str) -> str:
    """Return the lines, each as by `clean`, without empty ones."""
    return "\n".join(
        line
        for line in (clean(raw) for raw in _LINE_BREAKS.sub("\n", text).split("\n"))
        if line
    )


def _best(body: bytes, names: list[str]) -> str:
    """Return the text under the first name that fits, else under the one that fits
    best. Multi-byte names come first: a single-byte one accepts any bytes."""
    candidates = sorted(names, key=lambda name: name not in MULTI_BYTE)
    best, fewest = "", 2.0
    for name in (*candidates, "utf-8", None):
        text = body.decode(name or _detect(body), "replace")
        bad = _bad_share(text)
        if bad < fewest:
            best, fewest = text, bad
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
    is_known = found.encoding in usual or language == UNKNOWN
    return found.encoding if is_known else usual[-1]


def _meta_charset(body: bytes) -> str | None:
    match = META_CHARSET.search(body[:META_WINDOW_BYTES])
    return match.group(1).decode("ascii") if match else None


def _usual_codecs(body: bytes) -> list[str]:
    """Return the encodings that pages of the stated language used before UTF-8.

    Source: https://html.spec.whatwg.org/#determining-the-character-encoding, for
    languages whose single-byte encodings detectors take for each other.
    """
    match = _LANG.search(body[:META_WINDOW_BYTES])
    return list(USUAL_CODECS.get(match[1].decode().lower(), ())) if match else []


def _wide_without_mark(head: bytes) -> bool:
    even, odd = head[0::2].count(b"\x00"), head[1::2].count(b"\x00")
    return max(even, odd) > 0.4 * len(head) / 2 and min(even, odd) < 0.02 * len(head)
