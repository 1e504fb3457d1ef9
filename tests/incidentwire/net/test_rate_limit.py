"""No host is asked more often than it should be, whoever asks: workers and feeds share its places."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from incidentwire.net.rate_limit import HOST as HOST_KEY
from incidentwire.net.rate_limit import HostBusy, HostRateLimiter, host_of
from services.ingest.feeds import poll
from services.ingest.feeds.process import PollLoop
from tests.eventually import eventually
from tests.feed_poller import FeedPolling, rss
from tests.harness import PLAIN, Harness, analyzer, page, robots_rules
from tests.loopback import Asked, Reply, answering
from tests.store import Store

HOST = "quay.example"


def slots(
    connection: redis.Redis, *, pause_s: float = 0.0, slot_s: float = 60.0
) -> HostRateLimiter:
    return HostRateLimiter(connection, at_once=2, pause_s=pause_s, slot_s=slot_s)


def test_a_place_is_waited_for_and_given_back(
    connection: redis.Redis, store: Store
) -> None:
    here = slots(connection)
    there = slots(store.connect())
    inside = threading.Semaphore(0)
    leave = threading.Event()

    def ask(at: HostRateLimiter) -> None:
        with at.slot(HOST, patience_s=60):
            inside.release()
            leave.wait(60)

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask, at) for at in (here, there, here)]
        assert inside.acquire(timeout=60)
        assert inside.acquire(timeout=60)
        with pytest.raises(HostBusy, match=HOST), there.slot(HOST, patience_s=0):
            pass
        with here.slot("another.example", patience_s=0):  # no other host is held up
            leave.set()
        for one in asking:
            one.result(60)
    assert here.acquire(HOST)[0]


def test_a_place_is_given_back_after_an_error_too(connection: redis.Redis) -> None:
    for _ in range(3):
        with (
            pytest.raises(ZeroDivisionError),
            slots(connection).slot(HOST, patience_s=0),
        ):
            raise ZeroDivisionError


def test_what_a_clock_ahead_has_planned_holds_nobody_up(
    connection: redis.Redis,
) -> None:
    here = slots(connection, pause_s=1.0)
    day_ahead_ms = int((time.time() + 86_400) * 1000)
    connection.zadd(f"{HOST_KEY}{HOST}", {"a": day_ahead_ms, "b": day_ahead_ms})
    connection.set(f"{HOST_KEY}{HOST}:next", day_ahead_ms)
    assert here.acquire(HOST)[0]
    token, wait_s = here.acquire(HOST)
    assert not token
    assert wait_s <= 1.0


def test_the_pause_between_two_requests_holds_for_whoever_asks(
    connection: redis.Redis, store: Store
) -> None:
    with slots(connection, pause_s=3600).slot(HOST, patience_s=0):
        pass
    with (
        pytest.raises(HostBusy),
        slots(store.connect(), pause_s=3600).slot(HOST, patience_s=60),
    ):
        pass


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Quay.Example:8443/a", "quay.example"),
        ("http://[::1]/", "::1"),
        ("", ""),
    ],
)
def test_a_host_is_the_same_however_it_is_written(url: str, host: str) -> None:
    assert host_of(url) == host


class CountingServer:
    """Serves feeds and pages; records which requests were in progress together.

    Each request stays until `open` is set.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open = threading.Event()
        self.asked = 0
        self.now: list[str] = []
        self.together: list[list[str]] = []

    def answer(self, asked: Asked) -> Reply:
        kind = asked.path.split("/")[1]
        with self.lock:
            self.asked += 1
            self.now.append(kind)
            self.together.append(sorted(self.now))
        if kind in ("feed", "page"):
            self.open.wait(60)
            threading.Event().wait(0.1)  # a third request would come meanwhile
        with self.lock:
            self.now.remove(kind)
        if kind == "feed":
            return 200, {"Content-Type": "application/xml"}, rss()
        if kind == "page":
            return 200, {"Content-Type": "text/html"}, page(asked.path, PLAIN)
        return 404, {}, b""

    def is_asked_for(self, *kinds: str) -> bool:
        """Return whether exactly these requests are in progress."""
        with self.lock:
            return sorted(self.now) == sorted(kinds)


def patient_feeds(store: Store, data_dir: Path) -> FeedPolling:
    """Return feeds that wait for a slot as long as it takes."""
    feeds = FeedPolling(store.connect(), store.url, data_dir)
    feeds.poller = replace(feeds.poller, host_patience_s=120.0)
    return feeds


@pytest.mark.timeout(300)
def test_feeds_and_fetches_together_ask_one_host_twice_at_once_and_never_more(
    harness: Harness, store: Store, tmp_path: Path
) -> None:
    for start_sandbox in (analyzer, robots_rules):  # they fork: before any thread
        start_sandbox()
    feeds = patient_feeds(store, tmp_path)
    other = patient_feeds(store, tmp_path)
    other.now = feeds.now = feeds.now + 1
    server = CountingServer()
    third = HostRateLimiter.of(harness.settings, store.connect())
    with answering(server.answer) as port, ThreadPoolExecutor(3) as pool:
        for n in range(6):
            harness.submit(url=f"http://127.0.0.1:{port}/page/{n}")
            feeds.add(f"http://127.0.0.1:{port}/feed/{n}")
        # As in two processes that poll. One feed comes first: pages would take both
        # slots.
        loops = [PollLoop(each.poller, pool) for each in (feeds, other)]
        try:
            loops[0].tick()
            eventually(lambda: server.is_asked_for("feed"), "a feed is asked for")
            working = pool.submit(harness.work)
            eventually(
                lambda: server.is_asked_for("feed", "page"), "a page is asked for too"
            )
            assert third.acquire("127.0.0.1")[0] == ""
        finally:
            server.open.set()

        def all_read() -> bool:
            running = [loop.tick() for loop in loops]
            return not any(running) and not feeds.feeds.due(feeds.now, 1)

        eventually(all_read, "all feeds are read", patience_s=120.0)
        working.result(120)
    assert max(map(len, server.together)) == 2
    assert server.asked >= 12
    # A feed without entries that was read is silent; one not read is new or failing.
    assert {feeds.feed(name).state for name in feeds.feeds.names()} == {"silent"}


def test_a_feed_whose_host_stays_busy_is_put_off_and_keeps_its_state(
    connection: redis.Redis, store: Store, tmp_path: Path
) -> None:
    room = FeedPolling(connection, store.url, tmp_path)
    room.poller = replace(room.poller, host_patience_s=0.0)
    name = room.add(f"https://{HOST}/feed")
    workers = slots(store.connect())
    assert all(workers.acquire(HOST)[0] for _ in range(2))
    after = room.poll(name)
    assert (after.state, after.failures, after.next_poll) == (
        "new",
        0,
        room.now + poll.POSTPONE_S,
    )
    assert room.failures() == []
