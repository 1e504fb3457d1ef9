"""Feeds on their page: a list of another reader goes in, and comes out again."""

from __future__ import annotations

import requests

from incidentwire.opml import opml_of, outlines
from services.ingest.feeds.store import feed_id
from tests.api.dashboard.conftest import Member, Site
from tests.loopback import answering

QUAY = {"url": "https://quay.example/feed?a=1&b=2", "title": "Quay & <b>Herald</b>"}
PRIVATE = {"url": "ftp://quay.example/feed", "title": "Private"}


def send(member: Member, document: bytes) -> requests.Response:
    return member.post(
        f"{member.base}/feeds/opml",
        data={"csrf": member.csrf},
        files={"opml": ("feeds.opml", document)},
        timeout=30,
    )


def test_a_list_of_feeds_goes_in_and_comes_out(pages: Site) -> None:
    curator = Member(pages, "curator")
    answer = send(curator, opml_of([QUAY, PRIVATE]).encode())
    assert answer.status_code == 200
    assert "1 of 2 feeds are there." in answer.text
    assert f"{PRIVATE['url']}: url:" in answer.text
    assert "<b>Herald" not in answer.text
    exported = curator.get(f"{curator.base}/feeds.opml", timeout=30)
    assert (QUAY["url"], QUAY["title"]) in list(outlines(exported.content))
    assert curator.fill_in(f"/feeds/{feed_id(QUAY['url'])}/remove").ok


def test_a_file_that_is_no_opml_is_refused_in_words(pages: Site) -> None:
    curator = Member(pages, "curator")
    for document in (b"", b"<html>", b"[]"):
        answer = send(curator, document)
        assert answer.status_code == 422
        assert "Choose an OPML file. This is not OPML" in answer.text
    many = [{"url": f"https://{n}.example/feed", "title": ""} for n in range(301)]
    answer = send(curator, opml_of(many).encode())
    assert (answer.status_code, "more than 300 feeds" in answer.text) == (422, True)


def test_a_reader_may_take_the_list_but_not_import_one(pages: Site) -> None:
    reader = Member(pages, "reader")
    assert send(reader, opml_of([QUAY]).encode()).status_code == 403
    assert reader.get(f"{reader.base}/feeds.opml", timeout=30).ok


def test_a_feed_can_be_tested_before_it_is_added(pages: Site) -> None:
    curator = Member(pages, "curator")
    feed = b"<rss version='2.0'><channel><title>Quay &amp; Co</title><item><title>Ferry</title><link>https://quay.example/1</link></item></channel></rss>"
    with answering(lambda asked: (200, {}, feed)) as port:
        form = {"csrf": curator.csrf, "url": f"http://127.0.0.1:{port}/feed"}
        shown = curator.post(f"{curator.base}/feeds/test", data=form, timeout=30)
    assert "1 entries, 1 with an address; 1 would be new here." in shown.text
    assert "Quay &amp; Co" in shown.text
    assert 'name="next" value="/feeds"' in shown.text  # the language can be switched
    assert form["url"] not in curator.get(f"{curator.base}/feeds.opml", timeout=30).text
