"""Which feeds there are is the log's to say: the state beside it grows back, and nobody's race can make it lie."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from incidentwire.events import FeedAdded, FeedRemoved, ItemSubmitted
from incidentwire.log.event_log import EventLog
from incidentwire.settings import Settings, to_env
from services.ingest.feeds.store import CHECKPOINT, FEED, FEEDS, FeedStore, feed_id
from tests.feed_poller import feed_server, ok, rss
from tests.store import Store

URL = "https://quay.example/feed"


@pytest.fixture
def feeds(connection: redis.Redis) -> FeedStore:
    return FeedStore(connection)


def types(log: EventLog) -> list[str]:
    return [entry.type for entry in log.read()]


def test_a_feed_is_the_same_however_its_address_is_written(feeds: FeedStore) -> None:
    one, position, new = feeds.add(
        "https://Quay.example:443/feed?utm_source=x#top",
        who="a",
        title="Quay",
        now=10.0,
    )
    two, again, newer = feeds.add(URL, who="b", now=20.0)
    assert (one.id, position, new) == (two.id, again, True)
    assert newer is False
    assert one.id == feed_id(URL)
    assert one.id.startswith("f_")
    assert len(one.id) == 22
    assert (two.who, two.title, two.state, two.next_poll) == ("a", "Quay", "new", 10.0)
    assert types(feeds.log) == ["feed.added"]


def test_many_who_add_or_remove_one_feed_at_once_make_one_event(
    store: Store, feeds: FeedStore
) -> None:
    def add(n: int) -> bool:
        return FeedStore(store.connect()).add(URL, who=str(n), now=1.0)[2]

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add, range(8))) == 1
        removed = list(
            pool.map(
                lambda n: FeedStore(store.connect()).remove(feed_id(URL), who=str(n)),
                range(8),
            )
        )
    assert [position for position in removed if position] == [2]
    assert types(feeds.log) == ["feed.added", "feed.removed"]
    assert feeds.names() == []


def test_a_removed_feed_is_forgotten_and_can_be_added_anew(
    feeds: FeedStore, connection: redis.Redis
) -> None:
    name = feeds.add(URL, who="a", now=1.0)[0].id
    taken = feeds.take(name, 1.0)
    assert taken is not None
    assert feeds.remove(name, who="a") == 2
    assert feeds.remove(name, who="a") is None
    assert feeds.get(name, 1.0) is None
    assert (
        feeds.finish(taken, taken.feed) is False
    )  # the poll that was under way does not bring it back
    assert connection.exists(FEEDS, FEED + name) == 0
    feed, position, new = feeds.add(URL, who="b", now=5.0)
    assert (feed.id, feed.who, position, new) == (name, "b", 3, True)


def test_a_feed_is_one_pollers_until_its_lease_ends(
    feeds: FeedStore, store: Store
) -> None:
    name = feeds.add(URL, who="a", now=100.0)[0].id
    assert feeds.take(name, 99.0) is None
    with ThreadPoolExecutor(8) as pool:
        taken = [
            t
            for t in pool.map(
                lambda _: FeedStore(store.connect()).take(name, 100.0), range(8)
            )
            if t
        ]
    assert len(taken) == 1
    assert feeds.due(500.0, 10) == []
    late = feeds.take(name, 2_000.0)
    assert late is not None
    assert feeds.finish(taken[0], taken[0].feed) is False
    assert feeds.finish(late, late.feed) is True


def test_membership_grows_back_from_the_log(
    feeds: FeedStore, connection: redis.Redis
) -> None:
    kept = feeds.add(URL, who="a", title="Quay", now=1.0)[0].id
    gone = feeds.add(URL + "2", who="a", now=1.0)[0].id
    feeds.remove(gone, who="a")
    feeds.catch_up(2.0)
    connection.delete(FEEDS, FEED + kept, CHECKPOINT)
    assert feeds.catch_up(50.0) == 2
    assert feeds.names() == [kept]
    feed = feeds.get(kept, 50.0)
    assert feed is not None
    assert (feed.url, feed.title, feed.who, feed.added_at, feed.next_poll) == (
        URL,
        "Quay",
        "a",
        1,
        50.0,
    )
    connection.delete(FEED + kept)
    assert (
        feeds.get(kept, 60.0) is not None
    )  # one lost state comes back when it is asked for
    connection.delete(CHECKPOINT)
    assert feeds.catch_up(70.0) == 2


@pytest.mark.parametrize("damaged", ["{half", "[]", '{"id": 1}'])
def test_a_damaged_state_stops_no_other_feed_and_is_rebuilt(
    feeds: FeedStore, connection: redis.Redis, damaged: str
) -> None:
    bad, good = (feeds.add(u, who="a", now=1.0)[0].id for u in (URL, URL + "2"))
    connection.hset(FEED + bad, "state", damaged)
    assert [feed.id for feed in feeds.get_many([bad, good])] == [good]
    assert feeds.take(bad, 2.0) is None
    connection.zadd(FEEDS, {bad: 1.0})
    assert {feed.id for feed in feeds.due(3.0, 10)} == {bad, good}
    feed = feeds.get(bad, 3.0)
    assert feed is not None
    assert (feed.url, feed.state) == (URL, "new")


def test_a_rebuild_leaves_the_states_that_are_there(
    feeds: FeedStore, connection: redis.Redis
) -> None:
    name = feeds.add(URL, who="a", now=1.0)[0].id
    taken = feeds.take(name, 1.0)
    assert taken is not None
    feeds.finish(
        taken,
        taken.feed.__class__(
            **{**vars(taken.feed), "handed_in": 7, "next_poll": 900.0}
        ),
    )
    connection.delete(CHECKPOINT)
    feeds.catch_up(2.0)
    feed = feeds.get(name, 2.0)
    assert feed is not None
    assert (feed.handed_in, feeds.due(899.0, 10)) == (7, [])


def test_what_died_between_the_log_and_the_state_is_caught_up_with(
    feeds: FeedStore, log: EventLog
) -> None:
    log.append("i_a", ItemSubmitted(via="x", url="https://quay.example/a"))
    feeds.catch_up(1.0)
    name = feed_id(URL)
    log.append(name, FeedAdded(url=URL, who="a"))
    assert feeds.names() == []
    assert feeds.catch_up(2.0) == 1
    assert feeds.names() == [name]
    log.append(name, FeedRemoved(who="a"))
    assert feeds.catch_up(3.0) == 1
    assert (feeds.names(), feeds.catch_up(4.0)) == ([], 0)


def test_a_checkpoint_of_another_log_is_not_believed(
    feeds: FeedStore, connection: redis.Redis
) -> None:
    feeds.add(URL, who="a", now=1.0)
    connection.set(CHECKPOINT, "another:99")
    connection.delete(FEEDS, FEED + feed_id(URL))
    feeds.catch_up(2.0)
    assert feeds.names() == [feed_id(URL)]


def test_kill_minus_nine_of_the_process_at_its_work_costs_nothing(
    store: Store, log: EventLog, tmp_path: Path
) -> None:
    feeds = FeedStore(store.connect())
    settings = Settings(
        redis_url=store.url, data_dir=tmp_path, allowed_hosts=frozenset({"127.0.0.1"})
    )
    command = [sys.executable, "-m", "services.ingest.feeds.process"]
    links = [f"https://quay.example/{n}" for n in range(200)]
    with feed_server() as server:
        name = feeds.add(
            server.put("/feed", ok(rss(*links))), who="a", now=time.time()
        )[0].id
        deadline = time.monotonic() + 120
        for kill in (True, False):
            process = subprocess.Popen(command, env=to_env(settings) | {"PATH": ""})
            try:
                while (
                    not _went_on(log, feeds, name, killed=kill)
                    and time.monotonic() < deadline
                ):
                    time.sleep(0.001)
            finally:
                process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
                process.wait(60)
            store.connect().zadd(
                FEEDS, {name: 0}
            )  # as though the lease of the dead one had ended
        feed = feeds.get(name, time.time())
    assert feed is not None
    assert feed.state == "ok"
    submitted = [
        entry.subject for entry in log.read() if entry.type == "item.submitted"
    ]
    assert len(submitted) == len(set(submitted)) == len(links)


def _went_on(log: EventLog, feeds: FeedStore, name: str, *, killed: bool) -> bool:
    feed = feeds.get(name, 0.0)
    return log.last() > 1 if killed else feed is not None and feed.state == "ok"
