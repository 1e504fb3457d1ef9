"""robots.txt: honoured for what feeds bring, recorded for what people hand in, asked for once a day."""

from __future__ import annotations

import zlib
from typing import cast

import pytest
import redis

from incidentwire.items import State
from incidentwire.net.client import HttpClient
from incidentwire.net.rate_limit import HostRateLimiter
from services.classifier.fetching import robots
from services.classifier.fetching.robots import Robots
from services.ingest.submission import Submission, WebAddress
from services.ingest.submit import Submitter
from tests.harness import PLAIN, Harness, Site, page, robots_rules
from tests.store import Store, free_port

ARTICLE = page("Benches return to the river park", PLAIN)


@pytest.fixture
def client(harness: Harness) -> HttpClient:
    return HttpClient.of(harness.settings)


def by_feed(harness: Harness, url: str) -> str:
    """Return an item as a feed brings it."""
    submission = Submission.of(address=WebAddress.of(url))
    Submitter(harness.settings, harness.connection).submit_many(
        [submission], via="feed:f_a", feed="f_a"
    )
    return submission.id


def kept_for(harness: Harness, site: Site) -> int:
    """Seconds for which the answer of the site stays known."""
    return harness.connection.ttl(f"iw:host:http://127.0.0.1:{site.port}:robots")


# -- what the rules mean -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        (b"", "/a", True),
        (b"User-agent: *\nDisallow: /", "/a", False),
        (
            b"User-agent: *\nDisallow: /\n\nUser-agent: incidentwire\nAllow: /",
            "/a",
            True,
        ),  # our own group wins
        (
            b"User-agent: *\nAllow: /\n\nUser-Agent: Incidentwire\nDisallow: /a",
            "/a",
            False,
        ),
        (
            b"User-agent: otherbot\nUser-agent: IncidentWire\nDisallow: /a",
            "/a",
            False,
        ),  # a group of two
        (b"User-agent: otherbot\nDisallow: /", "/a", True),
        (
            b"User-agent: *\nDisallow: /news\nAllow: /news/open",
            "/news/open/1",
            True,
        ),  # the longest rule wins
        (
            b"User-agent: *\nAllow: /news\nDisallow: /news",
            "/news",
            True,
        ),  # and Allow where both are as long
        (b"User-agent: *\nDisallow: /*.pdf$", "/x/report.pdf", False),
        (b"User-agent: *\nDisallow: /*.pdf$", "/x/report.pdf?page=2", True),
        (b"User-agent: *\nDisallow: /a%3Cb", "/a%3cb", False),
        ("User-agent: *\nDisallow: /füße".encode(), "/f%C3%BC%C3%9Fe", False),
        (b"\xef\xbb\xbfUser-agent: *\nDisallow: /a", "/a", False),  # a byte order mark
        (b"User-agent: *\r\nDisallow: /a # not here\r\n", "/a", False),
        (b"User-agent: *\nDisallow:", "/a", True),
        (b"<html>no rules at all</html>", "/a", True),
        (b"\xff\xfe\x00 User-agent", "/a", True),
        (b"User-agent: *\nDisallow: /robots.txt", "/robots.txt", True),
    ],
)
def test_rules_are_read_as_rfc_9309_has_them(
    harness: Harness,
    client: HttpClient,
    web_site: Site,
    rules: bytes,
    path: str,
    allowed: bool,
) -> None:
    web_site.put("/robots.txt", rules, Content_Type="text/plain")
    verdict = Robots(harness.connection, client, robots_rules()).verdict(
        web_site.url(path)
    )
    assert (verdict.failure is None) is allowed
    assert (
        Robots(harness.connection, client, robots_rules()).allowed(web_site.url(path))
        is allowed
    )
    assert web_site.seen == ["/robots.txt"]


@pytest.mark.parametrize(
    ("status", "reason", "kept_s"),
    [
        (404, None, robots.KEEP_S),
        (403, None, robots.KEEP_S),
        (500, "robots_unreachable", robots.UNREACHABLE_S),
        (503, "robots_unreachable", robots.UNREACHABLE_S),
        (429, "robots_unreachable", robots.UNREACHABLE_S),
    ],
)
def test_a_client_error_allows_all_and_a_server_error_nothing_for_a_while(
    harness: Harness,
    client: HttpClient,
    web_site: Site,
    status: int,
    reason: str | None,
    kept_s: int,
) -> None:
    web_site.put("/robots.txt", b"User-agent: *\nDisallow: /", status)
    failure = (
        Robots(harness.connection, client, robots_rules())
        .verdict(web_site.url("/a"))
        .failure
    )
    assert (failure and failure.reason) == reason
    assert failure is None or failure.retryable
    assert kept_s - 5 <= kept_for(harness, web_site) <= kept_s


def test_a_robots_txt_that_has_moved_is_followed(
    harness: Harness, client: HttpClient, web_site: Site
) -> None:
    web_site.put("/robots.txt", b"", 301, Location="/elsewhere")
    web_site.put("/elsewhere", b"User-agent: *\nDisallow: /a")
    assert (
        Robots(harness.connection, client, robots_rules())
        .verdict(web_site.url("/a"))
        .failure
        is not None
    )


def test_a_network_that_fails_says_nothing_about_the_rules(
    harness: Harness, client: HttpClient
) -> None:
    url = f"http://127.0.0.1:{free_port()}/a"
    failure = Robots(harness.connection, client, robots_rules()).verdict(url).failure
    assert failure is not None
    assert (failure.reason, failure.retryable) == ("robots_unreachable", True)


def test_only_the_beginning_of_a_huge_robots_txt_is_read_and_little_of_it_kept(
    harness: Harness, client: HttpClient, web_site: Site
) -> None:
    filler = b"".join(b"# %d\n" % n for n in range(100_000))[: robots.MAX_BYTES]
    web_site.put(
        "/robots.txt",
        b"User-agent: *\nDisallow: /first\n" + filler + b"\nDisallow: /last\n",
    )
    place = Robots(harness.connection, client, robots_rules())
    assert place.verdict(web_site.url("/first")).failure is not None
    assert place.verdict(web_site.url("/last")).failure is None
    kept = cast(
        "bytes",
        harness.connection.get(f"iw:host:http://127.0.0.1:{web_site.port}:robots"),
    )
    assert len(kept) <= robots.MAX_PACKED + 1
    assert len(zlib.decompress(kept[1:])) <= robots.MAX_BYTES


# -- what it means for items -------------------------------------------------------------------------------------------


def test_a_page_that_a_feed_brings_is_not_fetched_where_it_is_disallowed(
    harness: Harness, web_site: Site
) -> None:
    web_site.put(
        "/robots.txt", b"User-agent: *\nDisallow: /private", Content_Type="text/plain"
    )
    refused = by_feed(harness, web_site.put("/private/1", ARTICLE))
    harness.work()  # two pages at once might both ask for robots.txt
    fine = by_feed(harness, web_site.put("/open/1", ARTICLE))
    harness.work()
    assert harness.types(refused) == ["item.submitted", "item.rejected"]
    assert (harness.item(refused).reason, harness.item(refused).retryable) == (
        "robots_disallowed",
        False,
    )
    fetched = harness.item(fine).fetched
    assert fetched is not None
    assert fetched.robots_allowed is True
    assert sorted(web_site.seen) == ["/open/1", "/robots.txt"]


def test_a_feeds_redirect_to_a_disallowed_page_is_not_kept(
    harness: Harness, web_site: Site
) -> None:
    web_site.put(
        "/robots.txt", b"User-agent: *\nDisallow: /private", Content_Type="text/plain"
    )
    web_site.put("/private/1", ARTICLE)
    item_id = by_feed(
        harness, web_site.put("/count?to=1", b"", 302, Location="/private/1")
    )
    harness.work()
    assert harness.item(item_id).reason == "robots_disallowed"
    assert harness.archive.digests(item_id) == []


def test_a_feeds_page_waits_while_robots_txt_fails(
    harness: Harness, web_site: Site
) -> None:
    web_site.put("/robots.txt", b"", 503)
    item_id = by_feed(harness, web_site.put("/a", ARTICLE))
    harness.work()
    assert (harness.item(item_id).state, harness.item(item_id).reason) == (
        State.WAITING,
        "robots_unreachable",
    )
    assert web_site.seen == ["/robots.txt"]


def test_what_people_hand_in_is_fetched_and_the_rule_recorded(
    harness: Harness, web_site: Site
) -> None:
    web_site.put(
        "/robots.txt", b"User-agent: *\nDisallow: /private", Content_Type="text/plain"
    )
    ids = []
    for path in ("/private/1", "/a", "/b"):  # a page does not wait for robots.txt
        ids.append(harness.submit(url=web_site.put(path, ARTICLE + path.encode())))
        harness.work()
    fetched = [harness.item(i).fetched for i in ids]
    assert [f.robots_allowed for f in fetched if f] == [False, True, True]
    assert web_site.seen.count("/robots.txt") == 1
    assert robots.KEEP_S - 60 <= kept_for(harness, web_site) <= robots.KEEP_S


def test_no_failure_of_robots_txt_touches_what_people_hand_in(
    harness: Harness, web_site: Site
) -> None:
    web_site.put("/robots.txt", b"", 503)
    ids = [
        harness.submit(url=web_site.put(path, ARTICLE + path.encode()))
        for path in ("/a", "/b", "/c")
    ]
    harness.work()
    for item_id in ids:
        item = harness.item(item_id)
        assert item.state is State.CLASSIFIED
        assert item.fetched is not None
        assert item.fetched.robots_allowed is None
    assert web_site.seen.count("/robots.txt") == 1  # and it is not asked again today


def test_what_was_not_heard_for_a_person_is_asked_anew_for_a_feed(
    harness: Harness, client: HttpClient, web_site: Site
) -> None:
    web_site.put("/robots.txt", b"", 503)
    place = Robots(harness.connection, client, robots_rules())
    assert place.allowed(web_site.url("/a")) is None
    web_site.put("/robots.txt", b"User-agent: *\nDisallow: /")
    assert place.allowed(web_site.url("/a")) is None
    assert place.verdict(web_site.url("/a")).failure is not None
    assert place.allowed(web_site.url("/a")) is False


def test_a_crawl_delay_makes_the_host_rest(
    connection: redis.Redis, harness: Harness, store: Store, web_site: Site
) -> None:
    web_site.put(
        "/robots.txt", b"User-agent: *\nCrawl-delay: 7", Content_Type="text/plain"
    )
    item_id = by_feed(harness, web_site.put("/a", ARTICLE))
    harness.work()
    assert harness.item(item_id).state is State.CLASSIFIED
    limiter = HostRateLimiter.of(harness.settings, harness.connection)
    token, wait_s = limiter.acquire("127.0.0.1")
    assert token == ""
    assert 0 < wait_s <= 7


def test_a_crawl_delay_of_a_day_is_cut(
    harness: Harness, client: HttpClient, web_site: Site
) -> None:
    web_site.put(
        "/robots.txt", b"User-agent: *\nCrawl-delay: 86400", Content_Type="text/plain"
    )
    assert (
        Robots(harness.connection, client, robots_rules())
        .verdict(web_site.url("/a"))
        .delay_s
        == robots.MAX_DELAY_S
    )
