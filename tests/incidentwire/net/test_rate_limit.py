"""No host is asked more often than it should be, whoever asks: workers and feeds share its places."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from incidentwire.net.rate_limit import HostBusy, HostRateLimiter, host_of
from services.ingest.feeds import poll
from services.ingest.feeds.process import PollLoop
from tests.eventually import eventually
from tests.feed_poller import FeedPolling, rss
from tests.house import PLAIN, House, page
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
    here, there = slots(connection), slots(store.connect())
    inside, leave = threading.Semaphore(0), threading.Event()

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


class Counting:
    """Answers feeds and pages; knows how many requests it had at once, and of which kinds."""

    def __init__(self) -> None:
        self.lock, self.two, self.asked = threading.Lock(), threading.Event(), 0
        self.now: list[str] = []
        self.together: list[list[str]] = []

    def answer(self, asked: Asked) -> Reply:
        kind = asked.path.split("/")[1]
        with self.lock:
            self.asked += 1
            self.now.append(kind)
            self.together.append(sorted(self.now))
            if len(self.now) == 2:
                self.two.set()
        self.two.wait(30)  # the first one stays until there is a second
        threading.Event().wait(
            0.1
        )  # as long as it takes a third one to come, were it let in
        with self.lock:
            self.now.remove(kind)
        if kind == "feed":
            return 200, {"Content-Type": "application/xml"}, rss()
        return (
            (200, {"Content-Type": "text/html"}, page(asked.path, PLAIN))
            if kind == "page"
            else (404, {}, b"")
        )


def test_feeds_and_workers_together_ask_one_host_twice_at_once_and_never_more(
    house: House, store: Store, tmp_path: Path
) -> None:
    room = FeedPolling(store.connect(), store.url, tmp_path)
    other = FeedPolling(store.connect(), store.url, tmp_path)
    other.now = room.now = room.now + 1
    counting = Counting()
    with answering(counting.answer) as port, ThreadPoolExecutor(3) as pool:
        for n in range(6):
            house.submit(url=f"http://127.0.0.1:{port}/page/{n}")
            room.add(f"http://127.0.0.1:{port}/feed/{n}")
        working = pool.submit(house.work)
        rounds = [
            PollLoop(each.poller, pool) for each in (room, other)
        ]  # two processes' worth of polls

        def all_read() -> bool:
            request_context = [each.tick() for each in rounds]
            return not any(request_context) and not room.feeds.due(room.now, 1)

        eventually(all_read, "all feeds are read")
        working.result(60)
    assert max(map(len, counting.together)) == 2
    assert ["feed", "page"] in counting.together
    assert counting.asked >= 12
    assert {room.feed(name).state for name in room.feeds.names()} == {"ok"}


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
