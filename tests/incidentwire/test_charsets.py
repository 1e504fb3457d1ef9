"""Only charsets of the web decode strangers' bytes."""

import pytest

from incidentwire.charsets import codec_of, marked_codec


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("utf-8", "utf-8"),
        ("UTF8", "utf-8"),
        (' "Latin1" ', "cp1252"),
        ("us-ascii", "cp1252"),
        ("gb2312", "gb18030"),
        ("Shift_JIS", "cp932"),
        ("ks_c_5601-1987", "cp949"),
        ("big5-hkscs", "big5hkscs"),
        ("windows-1251", "cp1251"),
        ("iso-8859-9", "cp1254"),
        ("koi8-r", "koi8-r"),
    ],
)
def test_a_label_of_the_web_has_the_codec_that_browsers_use(label, codec):
    assert codec_of(label) == codec
    b"plain".decode(codec)


@pytest.mark.parametrize(
    "label",
    [
        "punycode",
        "idna",
        "utf-7",
        "base64",
        "rot13",
        "unicode_escape",
        "zlib",
        "utf-16",
        "utf-32",
        "cp037",
        "x" * 100_000,
        "ſhift_jis",
        "",
        None,
    ],
)
def test_a_codec_that_the_web_does_not_have_is_unknown(label):
    assert codec_of(label) is None


def test_a_byte_order_mark_is_believed():
    assert marked_codec("\ufeffa".encode("utf-16-le")) == ("utf-16-le", 2)
    assert marked_codec(b"\xef\xbb\xbfa") == ("utf-8", 3)
    assert marked_codec(b"abc") is None
