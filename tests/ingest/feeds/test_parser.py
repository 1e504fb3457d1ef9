"""Every format is read into the same entries, and what is wrong with a document is said, never raised."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.feeds.model import MAX_ENTRIES, ParsedFeed
from services.ingest.feeds.parser import read
from services.ingest.feeds.sandbox import from_json, parse_in_sandbox, to_json
from tests.feed_poller import atom, rss

URL = "https://quay.example/feeds/all.xml"


def urls_of(reading: ParsedFeed) -> list[str | None]:
    return [entry.url for entry in reading.entries]


def test_rss_is_read() -> None:
    more = (
        "<guid isPermaLink='false'>q-1</guid><pubDate>Tue, 02 Jun 2026 10:30:00 +0200</pubDate>"
        "<description>Words &amp; more</description>"
    )
    head = "<language>en-GB</language><ttl>90</ttl>"
    reading = read(rss("https://quay.example/a", head=head, more=more), url=URL)
    assert (reading.kind, reading.title, reading.language, reading.problem) == (
        "rss",
        "Quay Herald",
        "en",
        "",
    )
    assert reading.period_s == 5400
    [entry] = reading.entries
    assert (entry.url, entry.id, entry.title) == (
        "https://quay.example/a",
        "q-1",
        "News of https://quay.example/a",
    )
    assert (entry.published, entry.updated, entry.language) == (
        "2026-06-02T08:30:00Z",
        None,
        "en",
    )


def test_atom_is_read_with_relative_links_and_xml_base() -> None:
    body = b"""<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://quay.example/news/">
      <title type="html">Quay &lt;b&gt;Herald&lt;/b&gt; &amp;amp; Sons</title>
      <entry xml:lang="de"><id>tag:quay,1</id><title>Eins</title><link rel="self" href="self"/><link href="one?a=1"/>
        <published>2026-06-01T00:00:00Z</published><updated>2026-06-02T12:00:00+02:00</updated></entry>
      <entry xml:base="2026/"><id>tag:quay,2</id><title>Zwei</title><link rel="alternate" href="two"/></entry></feed>"""
    reading = read(body, url="https://cdn.example/feed")
    assert (reading.kind, reading.title) == ("atom", "Quay Herald & Sons")
    one, two = reading.entries
    assert (one.url, two.url) == (
        "https://quay.example/news/one?a=1",
        "https://quay.example/news/2026/two",
    )
    assert (one.published, one.updated, one.language) == (
        "2026-06-01T00:00:00Z",
        "2026-06-02T10:00:00Z",
        "de",
    )


def test_relative_links_are_resolved_by_where_the_feed_came_from() -> None:
    assert urls_of(read(rss("/a", "b"), url=URL)) == [
        "https://quay.example/a",
        "https://quay.example/feeds/b",
    ]
    inner = {"Content-Location": "http://10.0.0.5:8080/other/feed.xml"}
    located = read(rss("b"), url=URL, headers=inner)
    assert urls_of(located) == ["https://quay.example/feeds/b"]


def test_rss_1_is_read() -> None:
    body = b"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
      xmlns:sy="http://purl.org/rss/1.0/modules/syndication/" xmlns:dc="http://purl.org/dc/elements/1.1/">
      <channel><title>Quay</title><sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>4</sy:updateFrequency>
      </channel><item><title>One</title><link>https://quay.example/1</link><dc:date>2026-05-01</dc:date></item></rdf:RDF>"""
    reading = read(body, url=URL)
    assert (reading.kind, urls_of(reading), reading.period_s) == (
        "rss",
        ["https://quay.example/1"],
        21_600,
    )


def test_a_guid_that_is_an_address_stands_in_for_a_missing_link_and_one_that_is_none_does_not() -> (
    None
):
    body = rss("", "", "").replace(
        b"<link></link>", b"<guid>https://quay.example/g</guid>", 1
    )
    body = body.replace(b"<link></link>", b"<guid>number-2</guid>", 1)
    assert urls_of(read(body, url="")) == ["https://quay.example/g", None, None]


def test_the_address_behind_a_counting_redirect_and_not_that_of_the_enclosure_is_taken() -> (
    None
):
    origin = "<feedburner:origLink>https://quay.example/real</feedburner:origLink>"
    body = rss("https://count.example/x", more=origin).replace(
        b"<rss ", b"<rss xmlns:feedburner='http://rssnamespace.org/feedburner/ext/1.0' "
    )
    assert urls_of(read(body, url=URL)) == ["https://quay.example/real"]
    body = b"""<feed xmlns="http://www.w3.org/2005/Atom"><entry><link href="https://quay.example/page"/>
      <link rel="enclosure">https://quay.example/sound.mp3</link></entry></feed>"""
    assert urls_of(read(body, url=URL)) == ["https://quay.example/page"]


@pytest.mark.parametrize("version", ["1", "1.1"])
def test_json_feed_is_read(version: str) -> None:
    feed = {
        "version": f"https://jsonfeed.org/version/{version}",
        "title": "Quay Herald",
        "language": "fr-CA",
        "items": [
            {
                "id": "1",
                "url": "/a",
                "title": "A\ud800 \x00b",
                "date_modified": "2026-06-02T10:00:00+02:00",
            },
            {
                "id": 2,
                "external_url": "https://other.example/b",
                "date_published": "2026-06-01",
            },
            {"id": "https://quay.example/c", "language": "en"},
            {"title": "no id"},
            "no object",
        ],
    }
    reading = read(json.dumps(feed).encode(), url=URL)
    assert (reading.kind, reading.title) == ("json", "Quay Herald")
    assert reading.problem == "1 items are not objects; 1 items have no id"
    a, b, c, none = reading.entries
    assert (a.url, a.title, a.updated, a.language) == (
        "https://quay.example/a",
        "A b",
        "2026-06-02T08:00:00Z",
        "fr",
    )
    assert (b.url, b.id, b.published) == ("https://other.example/b", "2", "2026-06-01")
    assert (c.url, c.language, none.url) == ("https://quay.example/c", "en", None)


NEWS = """<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
  xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"
  xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
  <url><loc>https://quay.example/about</loc></url>
  <url><loc>https://quay.example/a</loc><lastmod>2026-06-02T09:00:00Z</lastmod>
    <image:image><image:loc>https://quay.example/a.jpg</image:loc></image:image>
    <news:news><news:publication><news:name>Quay</news:name><news:language>en</news:language></news:publication>
      <news:publication_date>2026-06-02T10:00:00+02:00</news:publication_date><news:title>Leak &amp; fine</news:title>
    </news:news></url>{rest}"""


def test_a_news_sitemap_is_read_and_pages_that_are_no_news_are_left_out() -> None:
    reading = read(gzip.compress(NEWS.format(rest="</urlset>").encode()), url=URL)
    [entry] = reading.entries
    assert (reading.kind, reading.problem, entry.url) == (
        "sitemap",
        "",
        "https://quay.example/a",
    )
    assert (entry.title, entry.language) == ("Leak & fine", "en")
    assert (entry.published, entry.updated) == (
        "2026-06-02T08:00:00Z",
        "2026-06-02T09:00:00Z",
    )


def test_a_sitemap_that_breaks_off_gives_what_came_before_and_says_so() -> None:
    reading = read(NEWS.format(rest="<url><loc>https://quay").encode(), url=URL)
    assert urls_of(reading) == ["https://quay.example/a"]
    assert "not well-formed XML" in reading.problem
    assert not reading.reason


def test_a_sitemap_with_bare_ampersands_is_read_and_says_so() -> None:
    body = b"<urlset><url><loc>https://quay.example/a?x=1&y=2</loc></url></urlset>"
    reading = read(body, url=URL)
    assert urls_of(reading) == ["https://quay.example/a?x=1&y=2"]
    assert "not well-formed XML" in reading.problem
    assert not reading.reason


def test_an_index_names_its_news_and_its_newest_parts_first() -> None:
    parts = "".join(
        f"<sitemap><loc>/maps/{name}.xml</loc><lastmod>{date}</lastmod></sitemap>"
        for name, date in [
            ("2024", "2024-12-31"),
            ("2026", "2026-06-01"),
            ("news", "2020-01-01"),
        ]
    )
    reading = read(f"<sitemapindex>{parts}</sitemapindex>".encode(), url=URL)
    assert reading.kind == "sitemap_index"
    assert [part.rpartition("/")[2] for part in reading.parts] == [
        "news.xml",
        "2026.xml",
        "2024.xml",
    ]


def test_an_enormous_feed_is_cut_to_its_newest_entries() -> None:
    pages = "".join(
        f"<url><loc>/p{n}</loc><lastmod>{2000 + n % 20}-01-01</lastmod></url>"
        for n in range(MAX_ENTRIES + 500)
    )
    entries = read(f"<urlset>{pages}</urlset>".encode(), url=URL).entries
    assert len(entries) == MAX_ENTRIES
    assert min(entry.updated or "" for entry in entries) == "2001-01-01"


BOMB = b"""<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>"""
OUTSIDE = b"""<!DOCTYPE x [<!ENTITY c SYSTEM "file:///etc/passwd">]>"""


@pytest.mark.parametrize(
    ("body", "reason", "message"),
    [
        (b"", "not_a_feed", "empty"),
        (b"\xef\xbb\xbf \n", "not_a_feed", "empty"),
        (b"just words", "not_a_feed", "not well-formed XML"),
        (
            b"<!doctype html><html><body>Hi</body></html>",
            "not_a_feed",
            "an HTML page, not a feed",
        ),
        (b"<opml version='2.0'/>", "not_a_feed", "feeds import"),
        (b"<note>hello</note>", "not_a_feed", "its root is <note>"),
        (b"<rss><channel><title>Quay", "ill_formed", "not well-formed XML"),
        (b"\x1f\x8b\x08nonsense", "ill_formed", "gzip"),
        (b"{", "ill_formed", "JSON"),
        (b"[" * 100_000, "ill_formed", "JSON"),
        (b'{"version": "2"}', "not_a_feed", "not a JSON Feed"),
        (
            b'{"version": "https://jsonfeed.org/version/1.1", "items": 5}',
            "ill_formed",
            "no list of items",
        ),
        (b"<urlset><url>", "ill_formed", "not well-formed XML"),
        (
            BOMB + b"<urlset><url><loc>&c;</loc></url></urlset>",
            "ill_formed",
            "document type",
        ),
        (
            OUTSIDE + b"<sitemapindex><sitemap><loc>&c;</loc></sitemap></sitemapindex>",
            "ill_formed",
            "document type",
        ),
    ],
)
def test_what_is_no_feed_is_told_why(body: bytes, reason: str, message: str) -> None:
    reading = read(body, url=URL)
    assert (reading.reason, reading.entries) == (reason, ())
    assert message in reading.problem


def test_an_html_page_tells_which_feed_it_names() -> None:
    body = b'<html><head><link rel="alternate" type="application/rss+xml" href="/rss?a=1&amp;b=2"></head></html>'
    assert read(body, url=URL).problem.endswith(
        "it names https://quay.example/rss?a=1&b=2"
    )


@pytest.mark.parametrize("doctype", [BOMB, OUTSIDE])
def test_entities_of_a_feed_expand_to_nothing_dangerous(doctype: bytes) -> None:
    reading = read(
        doctype + rss("https://quay.example/a").replace(b"Quay Herald", b"&c;")[21:],
        url=URL,
    )
    assert len(reading.title) < 100
    assert "root:" not in reading.title


def test_an_ill_formed_feed_gives_its_entries_and_says_what_is_wrong() -> None:
    reading = read(
        rss("https://quay.example/a?x=1&y=2", "https://quay.example/b"), url=URL
    )
    assert urls_of(reading) == [
        "https://quay.example/a?x=1&y=2",
        "https://quay.example/b",
    ]
    assert "not well-formed XML" in reading.problem
    assert not reading.reason


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_raise(noise: bytes) -> None:
    read(noise, url=URL)


@given(st.integers(0, 700), st.binary(max_size=8), st.integers(0, 30))
def test_no_damage_to_a_feed_makes_the_reader_raise(
    at: int, noise: bytes, gone: int
) -> None:
    whole = atom(
        a="2026-06-01T00:00:00Z", b="2026-06-02T00:00:00Z", c="99999-99-99T99:99:99Z"
    )
    for body in (
        whole,
        rss("https://[::1/a", "//b", "c"),
        NEWS.format(rest="</urlset>").encode(),
    ):
        read(body[:at] + noise + body[at + gone :], url=URL)


def test_a_feed_that_would_keep_the_reader_busy_for_minutes_is_given_up() -> None:
    hostile = rss("https://quay.example/a", more=f"<author>{'a' * 400_000}</author>")
    reading = parse_in_sandbox(hostile, url=URL, headers={}, cpu_s=1)
    assert reading.reason == "unreadable"
    assert "more than 1 s" in reading.problem


def test_what_is_read_apart_is_what_is_read() -> None:
    body = atom(a="2026-06-01T00:00:00Z")
    headers = {"Content-Type": "application/xml", "X-Other": "1"}
    assert parse_in_sandbox(body, url=URL, headers=headers) == read(
        body, url=URL, headers=headers
    )
    index = read(
        b"<sitemapindex><sitemap><loc>/a</loc></sitemap></sitemapindex>", url=URL
    )
    assert from_json(to_json(index)) == index
