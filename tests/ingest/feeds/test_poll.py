"""A feed on a real server: what it brings comes in once, whatever goes wrong, and what goes wrong is seen."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from incidentwire import items
from incidentwire.archive import Archive
from incidentwire.documents import StoredDocument
from incidentwire.events import (
    Event,
    FeedSilent,
    ItemAliased,
    ItemRejected,
    ItemSubmitted,
    ItemWithdrawn,
)
from incidentwire.net.client import HttpClient, RequestLimits
from incidentwire.queue import queued_for_fetch
from services.ingest.feeds import poll, schedule, submit
from services.ingest.feeds.process import PollLoop
from services.ingest.feeds.sandbox import parse_in_sandbox
from services.ingest.feeds.store import FeedLease
from services.ingest.submission import Submission, WebAddress
from tests.feed_poller import (
    FeedPolling,
    FeedServer,
    atom,
    feed_server,
    ok,
    rss,
)
from tests.incidentwire.net.hostile_server import HostileServer, read_request
from tests.loopback import Reply
from tests.store import Store

A, B, C = (f"https://quay.example/{name}" for name in "abc")


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as here:
        yield here


@pytest.fixture
def room(
    connection: redis.Redis, store: Store, tmp_path: Path
) -> Iterator[FeedPolling]:
    newsroom = FeedPolling(connection, store.url, tmp_path)
    yield newsroom
    newsroom.client.close()


def end(room: FeedPolling, item_id: str, event: Event | None = None) -> None:
    """Bring an item to its end, as a worker would."""
    item = items.fold_all(item_id, room.log.history(item_id))
    room.log.append(
        item_id,
        event or ItemRejected(reason="not_found"),
        idempotency_key=item.completion_key(),
    )


def ids(*urls: str) -> list[str]:
    return [Submission.of(address=WebAddress.of(url)).id for url in urls]


def test_new_entries_are_handed_in_once_and_say_which_feed_brought_them(
    room: FeedPolling, server: FeedServer
) -> None:
    name = room.add(server.put("/feed", ok(rss(A, B))))
    first = room.poll(name)
    assert (first.state, first.kind, first.title, first.entries, first.handed_in) == (
        "ok",
        "rss",
        "Quay Herald",
        2,
        2,
    )
    server.put("/feed", ok(rss(C, A, B)))
    second = room.poll(name)
    assert (second.handed_in, second.interval_s) == (3, schedule.FIRST_INTERVAL_S / 2)
    assert room.submitted() == [A, B, C]
    event = room.log.history(ids(C)[0])[0].event
    assert isinstance(event, ItemSubmitted)
    assert (event.via, event.feed) == (f"feed:{name}", name)
    given = room.poller.submitter.archive.get(ids(C)[0], event.given_digest or "")
    assert StoredDocument.from_bytes(given).title == f"News of {C}"
    assert queued_for_fetch(room.log.connection, ids(A, B, C)) == set(ids(A, B, C))


def test_an_entry_that_somebody_else_handed_in_is_known(
    room: FeedPolling, server: FeedServer
) -> None:
    room.poller.submitter.submit_many(
        [Submission.of(address=WebAddress.of(A + "?utm_source=x"))], via="a person"
    )
    after = room.poll(room.add(server.put("/feed", ok(rss(A, B)))))
    assert after.handed_in == 1
    assert len(room.submitted()) == 2


def test_links_that_differ_in_the_fragment_are_one_item_and_that_is_said(
    room: FeedPolling, server: FeedServer
) -> None:
    entries = [f"{A}#one", f"{A}#two", B]
    after = room.poll(room.add(server.put("/feed", ok(rss(*entries)))))
    assert after.handed_in == 2
    assert "1 of 3 entries have the address of another entry" in (after.problem or "")


def test_the_next_request_is_conditional_and_not_modified_is_a_success(
    room: FeedPolling, server: FeedServer
) -> None:
    dated = "Tue, 02 Jun 2026 10:00:00 GMT"
    server.put("/feed", ok(rss(A), ETag='W/"one"', Last_Modified=dated))
    name = room.add(server.put("/feed", server.replies["/feed"]))
    room.poll(name)
    server.put("/feed", (304, {}, b""))
    after = room.poll(name)
    sent = server.asked[-1][1]
    assert (sent["If-None-Match"], sent["If-Modified-Since"]) == ('W/"one"', dated)
    assert "If-None-Match" not in server.asked[0][1]
    assert (after.state, after.interval_s) == ("ok", schedule.FIRST_INTERVAL_S * 2)


def test_the_same_bytes_again_are_not_read_again(
    room: FeedPolling, server: FeedServer
) -> None:
    name = room.add(server.put("/feed", ok(rss(A))))
    room.poll(name)
    assert room.poll(name).interval_s == schedule.FIRST_INTERVAL_S * 2
    assert room.submitted() == [A]


def test_not_modified_does_not_hide_that_the_content_could_not_be_read(
    room: FeedPolling, server: FeedServer
) -> None:
    name = room.add(
        server.put_versioned("/feed", b"<rss><channel><title>Quay", '"bad"')
    )
    assert (room.poll(name).state, room.feed(name).reason) == ("failing", "ill_formed")
    server.put("/feed", (500, {}, b""))
    assert room.poll(name).reason == "http_status"
    server.put_versioned("/feed", b"", '"bad"')
    again = room.poll(name)
    assert server.asked[-1][1]["If-None-Match"] == '"bad"'
    assert (again.state, again.reason, again.failures) == ("failing", "ill_formed", 3)
    server.put_versioned("/feed", rss(A), '"good"')
    assert (room.poll(name).state, room.submitted()) == ("ok", [A])
    assert room.failures() == ["ill_formed"]


def test_not_modified_without_having_asked_is_a_failure(
    room: FeedPolling, server: FeedServer
) -> None:
    after = room.poll(room.add(server.put("/feed", (304, {}, b""))))
    assert (after.state, after.reason) == ("failing", "http_status")


def test_the_problem_of_an_ill_formed_feed_stays_while_it_is_not_modified(
    room: FeedPolling, server: FeedServer
) -> None:
    name = room.add(server.put_versioned("/feed", rss(A + "?x=1&y=2"), '"1"'))
    assert "not well-formed" in room.poll(name).problem
    after = room.poll(name)
    assert (after.state, "not well-formed" in after.problem) == ("ok", True)


def test_each_run_of_failures_is_one_event(
    room: FeedPolling, server: FeedServer
) -> None:
    name = room.add(server.put("/feed", ok(rss(A))))
    room.poll(name)
    for _ in range(2):
        server.put("/feed", (500, {"Retry-After": "900"}, b""))
        for _ in range(3):
            after = room.poll(name)
        assert (after.state, after.failures, after.detail) == (
            "failing",
            3,
            "the server answered 500",
        )
        server.put("/feed", ok(rss(A)))
        assert room.poll(name).state == "ok"
    assert room.failures() == ["http_status", "http_status"]


def test_a_server_can_say_when_to_come_back(
    room: FeedPolling, server: FeedServer
) -> None:
    after = room.poll(
        room.add(server.put("/feed", (429, {"Retry-After": "7200"}, b"")))
    )
    assert (after.reason, after.next_poll) == ("too_many_requests", room.now + 7200)
    wish = ok(rss(A, head="<ttl>240</ttl>"), Cache_Control="max-age=600")
    assert (
        room.poll(room.add(server.put("/wish", wish))).next_poll or 0
    ) == room.now + 240 * 60


def test_a_feed_that_is_gone_is_polled_no_more_until_somebody_adds_it_again(
    room: FeedPolling, server: FeedServer
) -> None:
    url = server.put("/feed", ok(rss(A)))
    name = room.add(url)
    room.poll(name)
    server.put("/feed", (410, {}, b""))
    assert (room.poll(name).state, room.feed(name).next_poll) == ("gone", None)
    assert room.failures() == ["gone"]
    assert room.feeds.due(room.now + 1e9, 10) == []
    server.put("/feed", ok(rss(A, B)))
    assert room.add(url) == name
    assert (room.poll(name).state, room.submitted()) == ("ok", [A, B])


def test_where_a_feed_leads_is_noted(room: FeedPolling, server: FeedServer) -> None:
    target = server.put("/new", ok(rss("/relative")))
    after = room.poll(room.add(server.put("/old", (302, {"Location": "/new"}, b""))))
    assert (after.state, after.redirected_to) == ("ok", target)
    assert room.submitted() == [target.replace("/new", "/relative")]


def test_an_updated_entry_is_fetched_again_once_per_update(
    room: FeedPolling, server: FeedServer
) -> None:
    url = server.put(
        "/feed", ok(atom(a="2026-06-01T00:00:00Z", b="2026-06-01T00:00:00Z"))
    )
    room.poll(name := room.add(url))
    [a, b] = ids(A, B)
    end(room, a)
    end(room, b)
    server.put("/feed", ok(atom(a="2026-06-02T00:00:00Z", b="2026-06-01T00:00:00Z")))
    room.now += 2 * submit.REFETCH_PAUSE_S
    room.poll(name)
    assert [entry.subject for entry in room.refetches()] == [a]
    assert queued_for_fetch(room.log.connection, [a]) == {a}
    end(room, a)
    other = room.add(
        server.put("/other", ok(atom(a="2026-06-01T00:00:00Z")))
    )  # the same site's second feed
    room.poll(other)
    server.put("/other", ok(atom(a="2026-06-02T00:00:00Z")))
    room.now += 2 * submit.REFETCH_PAUSE_S
    room.poll(other)
    room.poll(name)
    assert len(room.refetches()) == 1


def test_an_update_waits_until_the_item_has_ended_and_is_not_lost_to_not_modified(
    room: FeedPolling, server: FeedServer
) -> None:
    name = room.add(
        server.put_versioned("/feed", atom(a="2026-06-01T00:00:00Z"), '"1"')
    )
    room.poll(name)
    server.put_versioned("/feed", atom(a="2026-06-02T00:00:00Z"), '"2"')
    room.poll(name)
    assert room.refetches() == []  # in flight still: what is fetched now may be either
    end(room, ids(A)[0])
    room.poll(name)
    assert len(room.refetches()) == 1


def test_a_feed_that_calls_everything_updated_every_time_is_held_back(
    room: FeedPolling, server: FeedServer
) -> None:
    name = room.add(server.put("/feed", ok(atom(a="0"))))
    room.poll(name)
    [a] = ids(A)
    for n in range(submit.MAX_REQUESTS + 5):
        if not items.fold_all(a, room.log.history(a)).ended:
            end(room, a)
        server.put("/feed", ok(atom(a=f"{n + 1}")))
        room.poll(name)
        room.poll(name)
        room.now += 2 * submit.REFETCH_PAUSE_S
    assert len(room.refetches()) == submit.MAX_REQUESTS


@pytest.mark.parametrize("last", [ItemWithdrawn(who="x"), ItemAliased(into="i_other")])
def test_what_was_withdrawn_or_stands_for_another_is_not_fetched_again(
    room: FeedPolling, server: FeedServer, last: Event
) -> None:
    name = room.add(server.put("/feed", ok(atom(a="1"))))
    room.poll(name)
    end(room, ids(A)[0], last)
    server.put("/feed", ok(atom(a="2")))
    room.now += 2 * submit.REFETCH_PAUSE_S
    assert room.poll(name).state == "ok"
    assert (room.refetches(), room.submitted()) == ([], [A])


def test_a_long_feed_comes_in_over_several_polls(
    room: FeedPolling, server: FeedServer
) -> None:
    links = [f"https://quay.example/{n}" for n in range(submit.MAX_NEW + 20)]
    name = room.add(server.put_versioned("/feed", rss(*links), '"long"'))
    first = room.poll(name)
    assert (first.handed_in, first.next_poll) == (
        submit.MAX_NEW,
        room.now + schedule.MIN_INTERVAL_S,
    )
    assert room.poll(name).handed_in == len(links)
    room.poll(name)
    assert room.submitted() == links
    assert server.asked[-1][1]["If-None-Match"] == '"long"'


def test_entries_without_a_usable_address_are_counted_and_cost_the_others_nothing(
    room: FeedPolling, server: FeedServer
) -> None:
    bad = (
        "https://u:p@quay.example/",
        "mailto:a@quay.example",
        "https://quay.example/" + "x" * 3000,
    )
    after = room.poll(room.add(server.put("/feed", ok(rss(A, *bad, A)))))
    assert (after.state, after.problem) == (
        "ok",
        "3 of 5 entries have no usable address",
    )
    assert room.submitted() == [A]


def test_the_parts_of_a_sitemap_index_are_read_and_a_missing_one_is_said(
    room: FeedPolling, server: FeedServer
) -> None:
    maps = "".join(
        f"<sitemap><loc>/maps/{name}</loc></sitemap>"
        for name in ("news.xml.gz", "old.xml", "lost.xml")
    )
    name = room.add(
        server.put(
            "/index", ok(f"<sitemapindex>{maps}</sitemapindex>".encode(), ETag='"same"')
        )
    )
    server.put(
        "/maps/news.xml.gz",
        ok(gzip.compress(f"<urlset><url><loc>{A}</loc></url></urlset>".encode())),
    )
    server.put(
        "/maps/old.xml",
        ok(b"<sitemapindex><sitemap><loc>/deeper</loc></sitemap></sitemapindex>"),
    )
    after = room.poll(name)
    assert (after.state, after.kind, room.submitted()) == ("ok", "sitemap_index", [A])
    assert "inside another" in after.problem
    assert "the server answered 404" in after.problem
    server.put(
        "/maps/news.xml.gz", ok(f"<urlset><url><loc>{B}</loc></url></urlset>".encode())
    )
    room.poll(name)  # the index has not changed, its part has
    assert room.submitted() == [A, B]


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.2:{port}/target", "refused_address"),
        ("http://[::1]:{port}/target", "refused_address"),
        ("http://169.254.169.254/latest", "refused_address"),
        ("http://localhost:{port}/target", "refused_address"),
        ("file:///etc/passwd", "refused_url"),
    ],
)
def test_a_redirect_to_a_private_address_fails_and_opens_no_connection(
    room: FeedPolling, server: FeedServer, location: str, reason: str
) -> None:
    with feed_server() as other:
        other.put("/target", ok(rss(A)))
        to = {"Location": location.format(port=other.port)}
        after = room.poll(room.add(server.put("/feed", (302, to, b""))))
        assert (after.state, after.reason) == ("failing", reason)
        assert (other.asked, room.submitted(), room.failures()) == ([], [], [reason])


def test_a_feed_at_a_private_address_fails_and_opens_no_connection(
    connection: redis.Redis, store: Store, tmp_path: Path, server: FeedServer
) -> None:
    room = FeedPolling(connection, store.url, tmp_path, allowed_hosts=frozenset())
    with room.client:
        after = room.poll(room.add(server.put("/feed", ok(rss(A)))))
    assert (after.state, after.reason, server.asked) == (
        "failing",
        "refused_address",
        [],
    )


def test_a_sitemap_index_cannot_lead_to_a_private_address(
    room: FeedPolling, server: FeedServer
) -> None:
    with feed_server() as other:
        part = f"<sitemap><loc>http://127.0.0.2:{other.port}/target</loc></sitemap>"
        after = room.poll(
            room.add(
                server.put("/feed", ok(f"<sitemapindex>{part}</sitemapindex>".encode()))
            )
        )
        assert (after.state, after.reason, other.asked) == (
            "failing",
            "refused_address",
            [],
        )


def drip(connection: Any) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n\r\n<rss>")
    while True:
        connection.sendall(b" ")
        threading.Event().wait(0.01)


def endless(connection: Any) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n\r\n<rss>")
    while True:
        connection.sendall(b"<item></item>" * 10_000)


def bomb(connection: Any) -> None:
    read_request(connection)
    body = gzip.compress(b"<rss>" + b" " * 30_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)


def hang_up(connection: Any) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n<rss>")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (drip, "timeout"),
        (endless, "too_large"),
        (bomb, "too_large"),
        (hang_up, "bad_response"),
    ],
)
def test_a_misbehaving_server_is_a_failure_with_its_reason(
    room: FeedPolling, behaviour: Any, reason: str
) -> None:
    limits = RequestLimits(connect_s=1.0, read_s=1.0, total_s=1.5, max_bytes=1_000_000)
    hostile = HostileServer(behaviour)
    with HttpClient(
        user_agent="test", allowed_hosts=frozenset({"127.0.0.1"}), limits=limits
    ) as door:
        room.poller = replace(room.poller, client=door)
        after = room.poll(room.add(hostile.url))
    hostile.close()
    assert (after.state, after.reason, room.failures()) == ("failing", reason, [reason])


def test_an_overloaded_store_defers_the_poll_and_loses_nothing(
    connection: redis.Redis, store: Store, tmp_path: Path, server: FeedServer
) -> None:
    room = FeedPolling(connection, store.url, tmp_path, max_in_flight=1)
    busy = ids(A)[0]
    room.log.append(busy, ItemSubmitted(via="x", url=A))
    name = room.add(server.put_versioned("/feed", rss(B), '"1"'))
    after = room.poll(name)
    assert (after.state, after.next_poll, server.asked) == (
        "new",
        room.now + poll.POSTPONE_S,
        [],
    )
    end(room, busy)
    fresh = FeedPolling(
        connection, store.url, tmp_path
    )  # asks anew how much is under way
    assert (fresh.poll(name).state, room.submitted()) == ("ok", [A, B])
    room.client.close()
    fresh.client.close()


def test_a_poller_killed_between_handing_in_and_its_state_costs_nothing(
    room: FeedPolling, server: FeedServer
) -> None:
    name = room.add(server.put_versioned("/feed", rss(A, B), '"1"'))
    taken = room.feeds.take(name, room.now)
    assert taken is not None
    got = poll.request_feed(room.poller, taken.feed)
    assert isinstance(got, poll.Content)
    submit.submit_entries(room.poller.submitter, taken.feed, got.parsed, room.now)
    del taken, got  # and here it dies: no state was written, the lease runs on
    assert room.feeds.due(room.now + 1, 10) == []
    room.now += 1000
    after = room.poll(name)
    assert "If-None-Match" not in server.asked[-1][1]
    assert (after.state, after.handed_in, room.submitted()) == ("ok", 0, [A, B])


def test_a_poller_killed_between_an_update_or_a_failure_and_its_state_does_it_once(
    room: FeedPolling, server: FeedServer
) -> None:
    name = room.add(server.put("/feed", ok(atom(a="1"))))
    room.poll(name)
    end(room, ids(A)[0])
    room.now += 2 * submit.REFETCH_PAUSE_S
    server.put("/feed", ok(atom(a="2")))
    before = room.feeds.take(name, room.now)
    assert before is not None
    got = poll.request_feed(room.poller, before.feed)
    assert isinstance(got, poll.Content)
    submit.submit_entries(room.poller.submitter, before.feed, got.parsed, room.now)
    end(room, ids(A)[0])  # and the refetch was done, before the next poller comes
    room.now += 2 * submit.REFETCH_PAUSE_S
    room.poll(name)
    assert len(room.refetches()) == 1
    server.put("/feed", (500, {}, b""))
    failed = schedule.failed(
        room.feed(name), room.now, schedule.PollFailure(reason="http_status"), (300.0,)
    )
    lost = FeedLease(feed=room.feed(name), token="of a dead poller")
    assert poll.record(room.feeds, lost, failed) is False
    room.poll(name)
    assert room.failures() == ["http_status"]


def test_two_pollers_of_one_feed_at_once_do_everything_once(
    room: FeedPolling, connection: redis.Redis, store: Store, tmp_path: Path
) -> None:
    both = threading.Barrier(2, timeout=30)
    arrived = []

    def reply(_: Any) -> tuple[int, dict[str, str], bytes]:
        arrived.append(both.wait())
        return ok(rss(A, B, C))

    with feed_server() as server:
        name = room.add(server.put("/feed", reply))
        other = FeedPolling(store.connect(), store.url, tmp_path)
        first = room.feeds.take(name, room.now)
        assert room.feeds.take(name, room.now) is None
        second = other.feeds.take(
            name, room.now + 10_000
        )  # the first one's lease has ended, and it polls on
        assert first is not None
        assert second is not None
        with ThreadPoolExecutor(2) as pool:
            polls = [
                pool.submit(poll.poll, r.poller, t)
                for r, t in ((room, first), (other, second))
            ]
            feeds = list(filter(None, (poll.result() for poll in polls)))
            assert {feed.state for feed in feeds} == {"ok"}
        assert (len(arrived), sorted(room.submitted())) == (2, [A, B, C])
        assert room.feeds.finish(first, first.feed) is False
        other.client.close()


def test_two_processes_worth_of_pollers_share_the_feeds(
    room: FeedPolling, store: Store, tmp_path: Path, server: FeedServer
) -> None:
    other = FeedPolling(store.connect(), store.url, tmp_path)
    names = [
        room.add(server.put(f"/feed{n}", ok(rss(f"https://quay.example/{n}"))))
        for n in range(12)
    ]
    room.now = other.now = room.now + 1
    with ThreadPoolExecutor(8) as pool:
        rounds = [PollLoop(room.poller, pool), PollLoop(other.poller, pool)]
        while room.feeds.due(room.now, 100) or any(r.running for r in rounds):
            for each in rounds:
                each.tick()
            room.now = other.now = (
                room.now + 2
            )  # past the pause of a host, far from any second poll
    assert {room.feed(name).state for name in names} == {"ok"}
    assert [server.count(f"/feed{n}") for n in range(12)] == [1] * 12
    assert len(room.submitted()) == 12
    other.client.close()


def test_one_host_is_asked_one_feed_at_a_time(room: FeedPolling) -> None:
    request_context = []
    most = []

    def reply(_: Any) -> tuple[int, dict[str, str], bytes]:
        request_context.append(1)
        most.append(len(request_context))
        threading.Event().wait(0.02)
        request_context.pop()
        return ok(rss(A))

    with feed_server() as server, ThreadPoolExecutor(8) as pool:
        for n in range(4):
            room.add(server.put(f"/feed{n}", reply))
        room.now += 1
        rounds = PollLoop(room.poller, pool)
        while room.feeds.due(room.now, 10) or rounds.running:
            rounds.tick()
            room.now += 0.2
        assert (len(most), max(most)) == (4, 1)


def test_an_error_of_ours_in_one_feed_is_seen_and_stops_no_other(
    room: FeedPolling, server: FeedServer, caplog: pytest.LogCaptureFixture
) -> None:
    def read(body: bytes, **about: Any) -> Any:
        if b"poison" in body:
            raise ZeroDivisionError
        return parse_in_sandbox(body, **about)

    room.poller = replace(room.poller, parse=read)
    bad = room.add(server.put("/bad", ok(rss(A, head="poison"))))
    good = room.add(server.put("/good", ok(rss(B))))
    with ThreadPoolExecutor(2) as pool:
        rounds = PollLoop(room.poller, pool)
        while room.feeds.due(room.now, 10) or rounds.running:
            rounds.tick()
            room.now += 2
    assert (room.feed(bad).state, room.feed(bad).reason, room.feed(good).state) == (
        "failing",
        "internal",
        "ok",
    )
    assert "ZeroDivisionError" in caplog.text
    assert room.submitted() == [B]


def test_a_last_modified_in_the_future_is_not_sent_back(
    room: FeedPolling, server: FeedServer
) -> None:
    def reply(headers: Mapping[str, str]) -> Reply:
        if headers.get("If-Modified-Since"):
            return 304, {}, b""
        links = [A] if server.count("/feed") == 1 else [A, B]
        return ok(rss(*links), Last_Modified="Wed, 01 Jan 2098 00:00:00 GMT")

    feed = room.add(server.put("/feed", reply))
    room.poll(feed)
    assert room.poll(feed).handed_in == 2


def test_a_new_etag_for_an_equal_body_is_the_one_sent_back(
    room: FeedPolling, server: FeedServer
) -> None:
    def reply(headers: Mapping[str, str]) -> Reply:
        if headers.get("If-None-Match") == '"2"':
            return 304, {}, b""
        return ok(rss(A), ETag=f'"{server.count("/feed")}"')

    feed = room.add(server.put("/feed", reply))
    room.poll(feed)
    room.poll(feed)
    assert room.poll(feed).etag == '"2"'
    assert server.asked[-1][1]["If-None-Match"] == '"2"'


def silences(room: FeedPolling) -> list[tuple[str, str | None]]:
    return [
        (entry.event.reason, entry.event.since)
        for entry in room.log.read()
        if isinstance(entry.event, FeedSilent)
    ]


def test_a_feed_that_yields_nothing_is_said_once(
    room: FeedPolling, server: FeedServer
) -> None:
    feed = room.add(server.put("/feed", ok(rss())))
    after = room.poll(feed)
    assert (after.state, after.silent) == ("silent", "empty")
    room.poll(feed)
    assert silences(room) == [("empty", None)]
    server.put("/feed", ok(rss(A)))
    assert (room.poll(feed).state, room.feed(feed).silent) == ("ok", "")


def test_a_feed_that_is_quiet_for_longer_than_ever_is_said_once(
    room: FeedPolling, server: FeedServer
) -> None:
    feed = room.add(f"http://127.0.0.1:{server.port}/feed")
    for count in range(1, 7):
        links = (f"https://quay.example/{n}" for n in range(count))
        server.put("/feed", ok(rss(*links)))
        room.poll(feed)
    longest_s = room.feed(feed).longest_pause_s
    last_new = room.feed(feed).last_new
    while (after := room.poll(feed)).state == "ok":
        assert room.now - last_new < 86_400 + 2 * longest_s
    assert (after.state, after.silent) == ("silent", "quiet")
    room.poll(feed)
    assert [reason for reason, _ in silences(room)] == ["quiet"]


def test_a_feeds_own_words_stay_out_of_the_log(
    room: FeedPolling, server: FeedServer
) -> None:
    feed = room.add(server.put("/feed", ok(b"<secretword>never</secretword>")))
    assert room.poll(feed).state == "failing"
    [event] = [e for e in room.log.read() if e.type == "feed.failed"]
    assert "secretword" not in event.data


def test_the_text_of_a_feed_is_archived_with_its_item(
    room: FeedPolling, server: FeedServer
) -> None:
    text = "The harbour board closed the gates after the leak. " * 20
    space = 'xmlns:content="http://purl.org/rss/1.0/modules/content/"'
    content = f"<content:encoded {space}>{text}</content:encoded>"
    room.poll(room.add(server.put("/feed", ok(rss(A, more=content)))))
    [event] = [e.event for e in room.log.read() if isinstance(e.event, ItemSubmitted)]
    stored = Archive(room.settings.archive).get(ids(A)[0], event.given_digest or "")
    assert StoredDocument.from_bytes(stored).text == text.strip()
