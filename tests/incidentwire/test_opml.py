"""Lists of feeds are read as readers of feeds write them, well-formed or not."""

from __future__ import annotations

import pytest

from incidentwire.opml import OpmlError, outlines

FEED = "https://quay.example/feed?a=1"


def opml(outline: str, prolog: str = "") -> str:
    return f'{prolog}<opml version="2.0"><body>{outline}</body></opml>'


@pytest.mark.parametrize(
    ("outline", "title"),
    [
        (f'<outline text="Q & A &lt; B" xmlUrl="{FEED}&b=2"/>', "Q & A < B"),
        (f'<outline text="Q&nbsp;&copy; <b>" xmlUrl="{FEED}&amp;b=2"/>', "Q\xa0© <b>"),
        (f"<OUTLINE TITLE='Quay' XMLURL=' {FEED}&b=2 '>", "Quay"),
        (f'<outline type="rss" text="Quay" url="{FEED}&amp;b=2">', "Quay"),
        (f"<o:outline text=Quay xmlUrl={FEED}&b=2 />", "Quay"),
        (f'<outline text="a\x9b31m\u202eb" xmlUrl="{FEED}&b=2"/>', "a 31m b"),
        (f'<outline text="Quay" xmlUrl="{FEED}&b=2"/><outline text="cut', "Quay"),
        (f'<!-- a -- b --><outline text="Quay" xmlUrl="{FEED}&b=2"/>', "Quay"),
    ],
)
def test_a_list_that_is_no_xml_is_read(outline: str, title: str) -> None:
    assert list(outlines(opml(outline).encode())) == [(f"{FEED}&b=2", title)]


def test_the_encoding_is_found_whatever_the_prolog_says() -> None:
    outline = f'<outline text="Café Zürich" xmlUrl="{FEED}"/>'
    utf16 = opml(outline, '<?xml version="1.0" encoding="UTF-16"?>').encode("utf-16")
    cyrillic = opml(
        outline.replace("Café Zürich", "Набережная"), "<?xml encoding='windows-1251'?>"
    )
    wrong = opml(outline, '<?xml version="1.0" encoding="UTF-8"?>').encode("cp1252")
    assert list(outlines(utf16)) == [(FEED, "Café Zürich")]
    assert list(outlines(wrong)) == [(FEED, "Café Zürich")]
    assert list(outlines(cyrillic.encode("cp1251"))) == [(FEED, "Набережная")]


@pytest.mark.parametrize(
    "outline",
    [
        f'<outline type="link" url="{FEED}"/>',
        f'<!-- <outline xmlUrl="{FEED}"/> -->',
        '<!DOCTYPE o [<!ENTITY a SYSTEM "file:///etc/passwd">]>&a;',
        "",
    ],
)
def test_a_list_without_feeds_says_so(outline: str) -> None:
    with pytest.raises(OpmlError, match="names no feed"):
        list(outlines(opml(outline).encode()))
