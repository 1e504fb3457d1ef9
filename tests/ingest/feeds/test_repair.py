"""Faults that many servers make are mended; what stays unclear is left unread."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from time import process_time

import pytest

from incidentwire.xml_repair import (
    with_escaped_ampersands,
    with_possible_references,
)
from services.ingest.feeds import repair
from services.ingest.feeds.formats import absolute
from services.ingest.feeds.model import Entry, ParsedFeed
from services.ingest.feeds.parser import read
from services.ingest.feeds.submit import plan_entries
from tests.feed_poller import atom, rss

URL = "https://quay.example/feeds/all.xml"


def item(inner: str, head: str = "") -> bytes:
    """Return an RSS feed with one item."""
    channel = f"<channel><title>Quay</title>{head}<item>{inner}</item></channel>"
    return f'<rss version="2.0">{channel}</rss>'.encode()


def entry_of(body: bytes, **headers: str) -> Entry:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    [entry] = read(body, url=URL, headers=named).entries
    return entry


@pytest.mark.parametrize(
    ("written", "language", "published"),
    [
        ("2019/7/3 08:15:00", "", "2019-07-03"),
        ("2019.07.03", "", "2019-07-03"),
        ("2019年7月3日 08:15", "zh-cn", "2019-07-03"),
        ("民國108年7月3日", "zh-tw", "2019-07-03"),
        ("Mi, 03 Jul 2019 08:15:00 +0200", "de", "2019-07-03T06:15:00Z"),
        ("Mi, 03 Dez 2019 08:15:00 GMT", "", "2019-12-03T08:15:00Z"),
        ("Ke, 03 Heinä 2019 08:15:00 +0300", "fi", "2019-07-03T05:15:00Z"),
        ("mercredi 3 juillet 2019", "fr", "2019-07-03"),
        ("Jul 3, 2019", "en", "2019-07-03"),
        ("Wed, Jul 03 2019 08:15:00 GMT", "", "2019-07-03T08:15:00Z"),
        ("1562141700", "", "2019-07-03T08:15:00Z"),
        ("03/07/2019", "en-gb", "2019-07-03"),
        ("03/07/2019", "en-us", "2019-03-07"),
        ("03/07/2019", "", None),
        ("3 days ago", "en", None),
        ("sometime in July", "en", None),
    ],
)
def test_a_feeds_date_is_the_publishers_or_none(
    written: str, language: str, published: str | None
) -> None:
    body = item(
        f"<link>https://quay.example/a</link><pubDate>{written}</pubDate>",
        f"<language>{language}</language>",
    )
    assert entry_of(body).published == published


@pytest.mark.parametrize(
    ("guid", "url"),
    [
        ("<guid>51377</guid>", None),
        ('<guid isPermaLink="false">51377</guid>', None),
        ('<guid isPermaLink="false">https://quay.example/p</guid>', None),
        ("<guid>1c9d0a52-65fb-4a4f-9b0b-0d7d8f4f6a11</guid>", None),
        ("<guid>/relative/path</guid>", None),
        (
            "<guid>https://quay.example/p?a=1&amp;b=2</guid>",
            "https://quay.example/p?a=1&b=2",
        ),
    ],
)
def test_no_address_is_made_from_a_name(guid: str, url: str | None) -> None:
    enclosure = '<enclosure url="https://quay.example/e.mp3" type="audio/mpeg"/>'
    assert entry_of(item(guid + enclosure)).url == url


@pytest.mark.parametrize(
    "link", ["#4", "\u200bhttps://quay.example/a", "www.quay.example/a"]
)
def test_a_link_that_names_no_page_makes_no_address(link: str) -> None:
    assert entry_of(item(f"<link>{link}</link>")).url is None


@pytest.mark.parametrize(
    ("link", "url"),
    [
        (
            "/2031/Tax cuts, and more",
            "https://quay.example/2031/Tax%20cuts,%20and%20more",
        ),
        (" //other.example/a b ", "https://other.example/a%20b"),
        ("https://quay.example/two\n lines", "https://quay.example/two%20lines"),
        ("/a\u3000b", "https://quay.example/a%E3%80%80b"),
        ("\u200bhttps://quay.example/a\ufeff", "https://quay.example/a"),
        ("https://quay.example/a\u200bb", None),
        ("#latest", None),
        (f"{URL}#latest", None),
        ("javascript:alert(1)", None),
        ("<https://quay.example/a>", "https://quay.example/a"),
        ('"https://quay.example/a"', "https://quay.example/a"),
        ("https:\\\\quay.example\\a", None),
        ("www.quay.example/a", None),
        ("", None),
    ],
)
def test_blanks_in_links_are_encoded(link: str, url: str | None) -> None:
    assert absolute(URL, link) == url


@pytest.mark.parametrize(
    "relation",
    ["http://www.iana.org/assignments/relation/alternate", "ALTERNATE", " alternate "],
)
def test_a_relation_is_known_by_any_of_its_names(relation: str) -> None:
    body = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>urn:q:1</id>'
        f'<link rel="{relation}" type="application/pdf" href="/a.pdf"/>'
        f'<link rel="{relation}" href="/a"/></entry></feed>'
    ).encode()
    assert entry_of(body).url == "https://quay.example/a"


def test_a_press_release_that_is_only_a_pdf_has_its_address() -> None:
    body = (
        b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>urn:q:1</id>'
        b'<link rel="alternate" type="application/json" href="/a.json"/>'
        b'<link rel="alternate" type="application/pdf" href="/a.pdf"/></entry></feed>'
    )
    assert entry_of(body).url == "https://quay.example/a.pdf"


@pytest.mark.parametrize(
    ("reference", "title"),
    [
        ("&#55357;&#56832;", "A \U0001f600"),
        ("&#xD83D;&#xDE00;", "A \U0001f600"),
        ("&#xD800;", "A \ufffd"),
        ("&#9999999999;", "A \ufffd"),
        ("&#8217;&#8217;", "A \u2019\u2019"),
    ],
)
def test_a_reference_to_no_character_spoils_no_feed(reference: str, title: str) -> None:
    body = item(f"<title>A {reference}</title><link>/a</link>")
    assert entry_of(body).title == title


@pytest.mark.parametrize("prolog", [b"", b'<?xml version="1.0" encoding="utf-8"?>'])
def test_bytes_that_are_nowhere_utf8_are_windows_1252(prolog: bytes) -> None:
    body = prolog + item("<title>“Zürich” élan</title><link>/a</link>").decode().encode(
        "windows-1252"
    )
    assert entry_of(body, Content_Type="text/xml").title == "“Zürich” élan"


def test_one_stray_byte_leaves_the_other_characters_alone() -> None:
    body = rss("https://quay.example/新闻/泄露", "https://quay.example/b")
    body = body.replace(b"News of https://quay.example/b", b"Caf\xe9")
    parsed = read(body, url=URL, headers={"Content-Type": "text/xml; charset=utf-8"})
    assert parsed.entries[0].url == "https://quay.example/新闻/泄露"
    assert parsed.problem
    assert not parsed.reason


@pytest.mark.parametrize(
    "header", ["text/xml; charset=ISO-8859-1", "text/xml; charset=gbk", "text/xml"]
)
def test_utf8_is_read_as_utf8_whatever_the_header_says(header: str) -> None:
    body = item("<title>数据泄露：六万名用户的资料受到影响</title><link>/a</link>")
    assert entry_of(body, Content_Type=header).title.startswith("数据泄露")


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "iso-8859-1", "utf-16"])
def test_other_encodings_stay_what_they_say(encoding: str) -> None:
    title = "Café Zürich" if encoding == "iso-8859-1" else "資料外洩"
    body = (
        f'<?xml version="1.0" encoding="{encoding}"?>'
        + item(f"<title>{title}</title><link>/a</link>").decode()
    ).encode(encoding)
    assert entry_of(body).title == title


@pytest.mark.parametrize(
    ("encoding", "prolog", "header"),
    [
        ("gb18030", "gb18030", "text/xml; charset=iso-8859-1"),
        ("gb18030", "", "text/xml"),
        ("gb18030", "utf-8", "text/xml; charset=utf-8"),
        ("utf-16", "utf-16", "text/xml; charset=iso-8859-1"),
    ],
)
def test_a_false_declaration_makes_no_mojibake(
    encoding: str, prolog: str, header: str
) -> None:
    title = "某市网信办通报一家酒店的数据库未设密码"
    declared = f' encoding="{prolog}"' if prolog else ""
    body = (
        f'<?xml version="1.0"{declared}?>'
        + item(f"<title>{title}</title><link>/a</link>").decode()
    ).encode(encoding)
    assert entry_of(body, Content_Type=header).title == title


@pytest.mark.parametrize("title", ["Data breach", "Café", "数据库未设密码"])
@pytest.mark.parametrize("header", ["text/xml", "text/xml; charset=utf-16"])
@pytest.mark.parametrize("prolog", ["", '<?xml version="1.0"?>'])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_with_a_mark_needs_no_declaration(
    encoding: str, prolog: str, header: str, title: str
) -> None:
    document = item(f"<title>{title}</title><link>/a</link>").decode()
    body = f"\ufeff{prolog}{document}".encode(encoding)
    feed = read(body, url=URL, headers={"Content-Type": header})
    assert (feed.entries[0].title, feed.problem) == (title, "")


@pytest.mark.parametrize("mark", ["\u200b", "\u2060", "\ufeff", "\u00ad"])
def test_a_mark_without_a_width_makes_no_other_title(mark: str) -> None:
    body = item(f"<title>{mark}Data {mark}br{mark}each</title><link>/a</link>")
    assert entry_of(body).title == "Data breach"


@pytest.mark.parametrize("title", ["می\u200cخواهم", "क्\u200dष", "👩\u200d💻"])
def test_joiners_that_a_script_needs_stay(title: str) -> None:
    body = item(f"<title>{title}</title><link>/a</link>")
    assert entry_of(body).title == title


def test_a_prolog_that_names_utf16_over_utf8_is_not_believed() -> None:
    prolog = b'<?xml version="1.0" encoding="UTF-16"?>'
    body = prolog + item("<title>Café</title><link>/a</link>")
    assert entry_of(body).title == "Café"


def test_bare_ampersands_and_html_entities_are_characters() -> None:
    title = "Q&A at R&D, la for&ecirc;t &amp; more &#38; AT&T;"
    body = item(f"<title>{title}</title><link>/p?a=1&b=2</link>")
    entry = entry_of(body)
    assert entry.title == "Q&A at R&D, la forêt & more & AT&T;"
    assert entry.url == "https://quay.example/p?a=1&b=2"
    cdata = item("<title>R&D</title><link><![CDATA[/p?a=1&b=2]]></link>")
    assert entry_of(cdata).url == "https://quay.example/p?a=1&b=2"


def test_gzip_of_several_members_is_one_document() -> None:
    body = rss("https://quay.example/a", "https://quay.example/b")
    packed = gzip.compress(body[:90]) + gzip.compress(body[90:])
    assert len(read(packed, url=URL).entries) == 2
    assert len(read(packed + b"\0" * 20, url=URL).entries) == 2


def test_a_gzip_bomb_of_many_members_is_refused() -> None:
    member = zlib.compress(b"\0" * 10_000_000, wbits=31)
    parsed = read(member * 8, url=URL)
    assert (parsed.reason, parsed.entries) == ("ill_formed", ())
    assert "larger than" in parsed.problem


def test_an_empty_document_type_of_a_sitemap_is_passed_over() -> None:
    body = (
        b'<?xml version="1.0"?><?xml-stylesheet href="s.xsl"?><!DOCTYPE urlset>'
        b"<urlset><url><loc>https://quay.example/a</loc></url></urlset>"
    )
    assert [entry.url for entry in read(body, url=URL).entries] == [
        "https://quay.example/a"
    ]


def test_entries_with_one_address_are_said() -> None:
    entries = [
        Entry(url=f"https://quay.example/page{fragment}", id=str(n), title=f"News {n}")
        for n, fragment in enumerate(["", "#one", "#two"])
    ]
    plan = plan_entries(entries, {})
    assert (len(plan.new), plan.same_address) == (1, 2)
    assert plan_entries([entries[0]] * 3, {}).same_address == 0


def test_a_whole_article_in_the_feed_is_its_text_and_a_teaser_is_not() -> None:
    paragraph = "The harbour board said on Monday that it had closed the gates. " * 6
    content = (
        f"&lt;p&gt;{paragraph}&lt;/p&gt;&lt;p&gt;{paragraph}&amp;amp; more&lt;/p&gt;"
    )
    space = 'xmlns:content="http://purl.org/rss/1.0/modules/content/"'
    whole = item(f"<link>/a</link><content:encoded>{content}</content:encoded>")
    entry = entry_of(whole.replace(b"<rss ", f"<rss {space} ".encode()))
    assert entry.text == f"{paragraph.strip()}\n\n{paragraph.strip()} & more"
    assert (
        entry_of(item(f"<link>/a</link><description>{content}</description>")).text
        == ""
    )


def test_control_characters_of_a_feed_go_no_further() -> None:
    body = item("<title>A\u202ered\u2066 txt.exe</title><link>/a</link>")
    assert entry_of(body).title == "A red txt.exe"


GROWING: dict[str, Callable[[int], bytes]] = {
    "comments": lambda n: b"<!--" * n,
    "open tags": lambda n: b"<" * n,
    "prologs": lambda n: b"<?xml " * n,
    "ampersands": lambda n: b"<rss>" + b"&" * n,
    "entities": lambda n: b"<rss>" + b"&eacute;" * n,
    "open CDATA": lambda n: b"<rss>" + b"<![CDATA[" * n,
    "guids": lambda n: b"<rss><channel><item>" + b"<guid " * n,
    "link tags": lambda n: b"<html>" + b"<link " * n,
    "blanks": lambda n: b"<html><link href" + b" " * n + b"=",
    "sitemap depth": lambda n: b"<urlset>" + b"<url>" * n,
    "locations": lambda n: b"<urlset>" + b"<url><loc>/a</loc></url>" * n,
    "references": lambda n: b"<rss>" + b"&#55357;" * n,
    "open references": lambda n: b"<rss>" + b"&#x" * n,
    "stray bytes": lambda n: b"<rss>" + b"\xe9 " * n,
    "gzip members": lambda n: gzip.compress(b"<rss/>") * (n // 20),
}


@pytest.mark.parametrize("kind", GROWING)
def test_twice_the_input_costs_about_twice_the_time(kind: str) -> None:
    def cost(size: int) -> float:
        body = GROWING[kind](size)
        began = process_time()
        repaired, _ = repair.as_utf8(body)
        with_escaped_ampersands(with_possible_references(repaired))
        if not kind.startswith(
            ("ampersands", "entities", "stray", "open", "guids", "references")
        ):
            read(body, url=URL)
        return process_time() - began

    cost(1000)
    small, large = (min(cost(size) for _ in range(3)) for size in (5_000, 40_000))
    # 8 times the input; quadratic growth would take 64 times as long
    assert large < 30 * max(small, 0.002)


def test_a_reading_is_the_same_after_the_sandbox() -> None:
    assert isinstance(read(atom(a="2026-06-01T00:00:00Z"), url=URL), ParsedFeed)
