"""A publisher who redirects for good is believed: the feed is polled at its new address, and by nobody twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from incidentwire.events import FeedAdded, FeedRemoved
from services.ingest.feeds import redirects
from services.ingest.feeds.schedule import MOVE_PAUSE_S
from services.ingest.feeds.store import FeedStore, feed_id
from tests.feed_poller import (
    FeedPolling,
    FeedServer,
    Reply,
    feed_server,
    ok,
    rss,
)
from tests.harness import Harness
from tests.store import Store

A = "https://quay.example/a"
B = "https://quay.example/b"


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as running:
        yield running


@pytest.fixture
def room(connection: redis.Redis, store: Store, tmp_path: Path) -> FeedPolling:
    return FeedPolling(connection, store.url, tmp_path)


def leads(to: str, status: int = 301) -> Reply:
    return status, {"Location": to}, b""


def facts(room: FeedPolling) -> list[tuple[str, str]]:
    """Return what the log says of feeds: (type, id)."""
    return [
        (entry.type, entry.subject)
        for entry in room.log.read()
        if entry.type.startswith("feed.")
    ]


@pytest.mark.parametrize("status", [301, 308])
def test_a_feed_that_has_moved_is_polled_at_its_new_address_and_keeps_what_it_knows(
    room: FeedPolling, server: FeedServer, status: int
) -> None:
    old = server.put("/old", ok(rss(A)))
    name = room.feeds.add(old, who="anna", title="Quay", now=room.now)[0].id
    room.poll(name)
    new = server.put_versioned("/new", rss(A, B), "v1")
    server.put("/old", leads("/new", status))
    moved = room.poll(name)
    assert (moved.id, moved.url, moved.state, moved.moved_from) == (
        feed_id(new),
        new,
        "ok",
        name,
    )
    assert (moved.who, moved.title, moved.handed_in, moved.redirected_to) == (
        "anna",
        "Quay",
        2,
        "",
    )
    assert room.feeds.names() == [moved.id]
    [gone] = [
        e.event for e in room.log.history(name) if isinstance(e.event, FeedRemoved)
    ]
    [came] = [e.event for e in room.log.history(moved.id)]
    assert (gone.who, gone.moved_to) == (f"feed:{name}", moved.id)
    assert came == FeedAdded(url=new, who="anna", title="Quay", moved_from=name)
    asked = server.count("/old")
    assert room.poll(moved.id).state == "ok"
    assert server.count("/old") == asked
    assert (
        server.asked[-1][1]["If-None-Match"] == "v1"
    )  # what it had learned went along
    assert room.submitted() == [A, B]


@pytest.mark.parametrize("statuses", [(302,), (303,), (307,), (301, 302), (307, 308)])
def test_a_way_that_is_temporary_anywhere_changes_nothing(
    room: FeedPolling, server: FeedServer, statuses: tuple[int, ...]
) -> None:
    for n, status in enumerate(statuses):
        server.put(f"/{n}", leads(f"/{n + 1}", status))
    target = server.put(f"/{len(statuses)}", ok(rss(A)))
    name = room.add(f"http://127.0.0.1:{server.port}/0")
    after = room.poll(name)
    assert (after.id, after.state, after.redirected_to) == (name, "ok", target)
    assert facts(room) == [("feed.added", name)]
    room.poll(name)
    assert server.count("/0") == 2


@pytest.mark.parametrize(
    "target",
    [(404, {}, b""), (200, {"Content-Type": "text/html"}, b"<html>Welcome</html>")],
)
def test_what_leads_to_no_feed_leads_nowhere(
    room: FeedPolling, server: FeedServer, target: Reply
) -> None:
    name = room.add(server.put("/old", leads("/")))
    server.put("/", target)
    after = room.poll(name)
    assert (after.id, after.state) == (name, "failing")
    assert room.feeds.names() == [name]


def test_a_feed_that_moves_to_a_known_one_ends_in_it(
    room: FeedPolling, server: FeedServer
) -> None:
    new = server.put("/new", ok(rss(A)))
    kept = room.feeds.add(new, who="bert", title="The one", now=room.now)[0].id
    room.poll(kept)
    name = room.add(server.put("/old", leads("/new")))
    moved = room.poll(name)
    assert (moved.id, moved.who, moved.title, moved.handed_in) == (
        kept,
        "bert",
        "The one",
        1,
    )
    assert room.feeds.names() == [kept]
    assert facts(room) == [
        ("feed.added", kept),
        ("feed.added", name),
        ("feed.removed", name),
    ]


def test_a_known_feed_that_was_gone_is_polled_again_when_another_moves_to_it(
    room: FeedPolling, server: FeedServer
) -> None:
    kept = room.add(server.put("/new", (410, {}, b"")))
    assert room.poll(kept).state == "gone"
    server.put("/new", ok(rss(A)))
    moved = room.poll(room.add(server.put("/old", leads("/new"))))
    assert (moved.id, moved.state) == (kept, "new")
    assert [feed.id for feed in room.feeds.due(room.now, 10)] == [kept]


def test_who_adds_the_new_address_later_finds_it_known_and_the_old_one_ends_again(
    room: FeedPolling, server: FeedServer
) -> None:
    old = server.put("/old", leads("/new"))
    new = server.put("/new", ok(rss(A)))
    moved = room.poll(room.add(old))
    assert room.feeds.add(new, who="bert", now=room.now)[2] is False
    again = room.add(old)
    assert room.feeds.names() == sorted([again, moved.id])
    assert room.poll(again).id == moved.id
    assert room.feeds.names() == [moved.id]


def test_a_move_grows_back_from_the_log_alone(
    room: FeedPolling, server: FeedServer
) -> None:
    server.put("/new", ok(rss(A)))
    moved = room.poll(name := room.add(server.put("/old", leads("/new"))))
    for key in room.log.connection.scan_iter("iw:feed*"):
        room.log.connection.delete(key)
    room.feeds.catch_up(room.now)
    assert room.feeds.names() == [moved.id]
    feed = room.feed(moved.id)
    assert (feed.url, feed.moved_from, feed.title) == (moved.url, name, "")
    room.poll(moved.id)
    assert room.submitted() == [A]


def test_a_server_that_moves_a_feed_about_moves_it_once_a_day(
    room: FeedPolling, server: FeedServer
) -> None:
    name = room.add(server.put("/0", leads("/1")))
    server.put("/1", ok(rss(A)))
    moved = room.poll(name)
    server.put("/1", leads("/2"))
    third = server.put("/2", ok(rss(A, B)))
    again = room.poll(moved.id)
    assert (again.id, again.state, again.redirected_to) == (moved.id, "ok", third)
    room.now += MOVE_PAUSE_S
    assert room.poll(moved.id).url == again.redirected_to
    assert len(facts(room)) == 5


def test_a_feed_removed_while_it_moves_is_not_brought_back(
    room: FeedPolling, server: FeedServer
) -> None:
    name = room.add(f"http://127.0.0.1:{server.port}/old")

    def while_it_is_asked(_: object) -> Reply:
        room.feeds.remove(name, who="anna")
        return leads("/new")

    server.put("/old", while_it_is_asked)
    server.put("/new", ok(rss(A)))
    room.poll(name)
    assert room.feeds.names() == []
    assert facts(room) == [("feed.added", name), ("feed.removed", name)]


def test_feeds_that_move_to_one_address_at_once_become_one(
    room: FeedPolling, store: Store
) -> None:
    def moves(name: str) -> str | None:
        feeds = FeedStore(store.connect())
        feed = feeds.get(name, room.now)
        assert feed is not None
        leading = replace(feed, state="ok", moved=True, redirected_to=f"{A}/{n}")
        together.wait(60)
        moved = redirects.move(feeds, leading, room.now)
        return moved.id if moved else None

    together = threading.Barrier(6)
    with ThreadPoolExecutor(6) as pool:
        for n in range(10):
            names = [room.add(f"{B}/{n}/{k}") for k in range(6)]
            assert set(pool.map(moves, names)) == {feed_id(f"{A}/{n}")}
    assert room.feeds.names() == sorted(feed_id(f"{A}/{n}") for n in range(10))
    added = [subject for kind, subject in facts(room) if kind == "feed.added"]
    assert len(added) == len(set(added))


def test_the_old_id_shows_the_feed_as_it_is_now_and_removes_nothing(
    harness: Harness, room: FeedPolling, server: FeedServer
) -> None:
    new = server.put("/new", ok(rss(A)))
    name = room.add(server.put("/old", leads("/new")))
    moved = room.poll(name)
    [listed] = harness.ingest_client.get("/v1/feeds", headers=harness.auth).get_json()[
        "feeds"
    ]
    assert (
        listed["id"],
        listed["url"],
        listed["moved_from"],
        listed["redirected_to"],
    ) == (moved.id, new, name, None)
    assert (
        harness.ingest_client.get(f"/v1/feeds/{name}", headers=harness.auth).get_json()
        == listed
    )
    refused = harness.ingest_client.delete(f"/v1/feeds/{name}", headers=harness.auth)
    assert (refused.status_code, moved.id in refused.get_json()["detail"]) == (
        404,
        True,
    )
    assert (
        harness.ingest_client.delete(
            f"/v1/feeds/{moved.id}", headers=harness.auth
        ).status_code
        == 200
    )
    assert (
        harness.ingest_client.get(f"/v1/feeds/{name}", headers=harness.auth).status_code
        == 404
    )
