"""Charset labels as the web uses them: the only codecs that strangers' bytes reach.

Source of labels: https://encoding.spec.whatwg.org/#names-and-labels. Codecs that
Python has and the web has not (punycode is quadratic, utf-7 smuggles markup, base64 is
no text) have no label here.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping

import webencodings

# Browsers decode these names as supersets that Python knows by other names.
SUPERSETS: Mapping[str, str] = {
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc-kr": "cp949",
    "big5": "big5hkscs",
}
# From the bytes of a page without a byte order mark, browsers never read UTF-16.
WIDE = ("utf-16le", "utf-16be")
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def label_of(label: str | None) -> str | None:
    """Return the standard name for a charset label of the web, None for other words."""
    found = webencodings.lookup(label.strip("\"' \t\r\n")) if label else None
    return str(found.name) if found else None


def codec_of(label: str | None) -> str | None:
    """Return the name of Python's codec for a charset label of the web.

    None for an unknown label, and for UTF-16: a page whose bytes can be searched for
    the label is not UTF-16.
    """
    name = label_of(label)
    if name is None or name in WIDE:
        return None
    codec: str = webencodings.lookup(name).codec_info.name
    return SUPERSETS.get(name, codec)


def marked_codec(body: bytes) -> tuple[str, int] | None:
    """Return (codec, length of the mark) if the bytes begin with a byte order mark."""
    for mark, codec in BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return codec, len(mark)
    return None
