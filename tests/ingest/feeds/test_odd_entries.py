"""One row per oddity of real feeds: what an editor would read in the entry."""

from __future__ import annotations

import pytest

from services.ingest.feeds.model import Entry
from services.ingest.feeds.parser import read

SITE = "https://news.example.org"
XMLNS = (
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom"'
    ' xmlns:fb="http://rssnamespace.org/feedburner/ext/1.0"'
)


def rss_entry(fields: str, encoding: str = "utf-8") -> Entry:
    head = f'<?xml version="1.0" encoding="{encoding}"?><rss version="2.0" {XMLNS}>'
    body = f"{head}<channel><title>T</title><item>{fields}</item></channel></rss>"
    (entry,) = read(body.encode(encoding), url=f"{SITE}/feed.xml").entries
    return entry


def atom_entry(fields: str) -> Entry:
    head = f'<feed xmlns="http://www.w3.org/2005/Atom" xml:base="{SITE}/x/"><title>T</title>'
    body = f'{head}<entry xml:base="y/">{fields}</entry></feed>'
    (entry,) = read(body.encode(), url="https://elsewhere.example.com/feed").entries
    return entry


@pytest.mark.parametrize(
    ("date", "published"),
    [
        ("Tue, 31 Mar 2026 10:00 EST", "2026-03-31T15:00:00Z"),
        ("Tue, 31 Mar 26 10:00:00 GMT", "2026-03-31T10:00:00Z"),
        ("Tue, 31 Mrz 2026 10:00:00 +0200", "2026-03-31T08:00:00Z"),
        ("2026-03-31T10:00:00.123456789Z", "2026-03-31T10:00:00Z"),
        ("1774951200", "2026-03-31T10:00:00Z"),
        ("1774951200000", "2026-03-31T10:00:00Z"),
        ("31 mars 2026", "2026-03-31"),
        ("31.03.2026 10:00", "2026-03-31"),
        ("Mar 31, 2026 10:00 AM", "2026-03-31"),
        ("Tue, 31 Mar 2026 10:00:00 +2500", "2026-03-31"),  # no such zone
        ("03/04/2026", None),  # March or April
        ("Mon, 32 Mar 2026 10:00:00 GMT", None),
        ("2026-W14-2", None),
        ("0000-00-00 00:00:00", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("2999-01-01T00:00:00Z", None),
        ("tomorrow", None),
    ],
)
def test_a_date_is_read_or_unknown(date: str, published: str | None) -> None:
    found = rss_entry(f"<link>{SITE}/a</link><pubDate>{date}</pubDate>")
    assert found.published == published


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ("<link>/a?x=1&amp;y=2</link>", f"{SITE}/a?x=1&y=2"),
        ("<link>/a?x=1&y=2</link>", f"{SITE}/a?x=1&y=2"),
        (f"<link><![CDATA[ {SITE}/c ]]></link>", f"{SITE}/c"),
        (f"<link>{SITE}/\n      long/path</link>", f"{SITE}/long/path"),
        (f"<link>\n  {SITE}/long\n\t/path\n</link>", f"{SITE}/long/path"),
        (f"<link>{SITE}/two words</link>", f"{SITE}/two%20words"),
        ("<link>//cdn.example.org/x</link>", "https://cdn.example.org/x"),
        (f'<link href="{SITE}/l"/>', f"{SITE}/l"),
        (
            f'<atom:link rel="self" href="{SITE}/self"/><link>{SITE}/l</link>',
            f"{SITE}/l",
        ),
        (f"<link>{SITE}/~r/1</link><fb:origLink>{SITE}/o</fb:origLink>", f"{SITE}/o"),
        (f"<guid>{SITE}/g</guid>", f"{SITE}/g"),
        (f'<guid isPermaLink="false">{SITE}/g</guid>', None),
        ("<guid>tag:example.org,2026:1</guid>", None),
        ("<link>javascript:alert(1)</link>", None),
        ("<guid>mailto:a@example.org</guid>", None),
    ],
)
def test_a_link_is_the_articles_or_unknown(fields: str, url: str | None) -> None:
    assert rss_entry(f"<title>A</title>{fields}").url == url


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ('<link href="a"/>', f"{SITE}/x/y/a"),
        (
            '<link rel="self" href="s"/><link rel="enclosure" href="x.mp3"/>'
            '<link rel="alternate" type="application/json" href="j"/>'
            '<link rel="alternate" type="text/html" href="h"/>',
            f"{SITE}/x/y/h",
        ),
        (f'<id>{SITE}/id</id><link rel="edit" href="e"/>', f"{SITE}/id"),
    ],
)
def test_the_page_is_chosen_among_the_links_of_atom(fields: str, url: str) -> None:
    assert atom_entry(f"<title>A</title>{fields}").url == url


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("<![CDATA[A &amp; B]]>", "A & B"),
        ("A&nbsp;B &eacute; &mdash; C", "A B é — C"),
        ("A & B", "A & B"),
        ("A\x07B", "A B"),
        ("Café 泄露", "Café 泄露"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_title_is_text(title: str, shown: str, encoding: str) -> None:
    found = rss_entry(f"<title>{title}</title><link>{SITE}/c</link>", encoding)
    assert found.title.replace("\xa0", " ") == shown
