"""The system page is green only if nothing is wrong: each red state is made, and seen."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from functools import partial

import pytest

from incidentwire.events import FeedSilent
from incidentwire.log.event_log import IN_FLIGHT
from services.ingest.feeds.schedule import GONE
from services.ingest.feeds.store import FeedStore
from tests.api.dashboard.conftest import Member, Site
from tests.eventually import eventually
from tests.harness import Harness


@contextmanager
def a_lost_item(pages: Site) -> Iterator[None]:
    connection = pages.harness.connection
    connection.zadd(IN_FLIGHT, {"i_lost": time.time() - 3_600})
    yield
    connection.zrem(IN_FLIGHT, "i_lost")


@contextmanager
def a_full_store(pages: Site) -> Iterator[None]:
    connection = pages.harness.connection
    used = connection.info("memory")["used_memory"]
    connection.config_set("maxmemory", used * 10 // 9)
    yield
    connection.config_set("maxmemory", 0)


@contextmanager
def a_failing_feed(pages: Site) -> Iterator[None]:
    feeds = FeedStore(pages.harness.connection)
    url = "https://press.example.org/gone.xml"
    feed, _, _ = feeds.add(url, who="test", now=0.0)
    lease = feeds.take(feed.id, time.time())
    assert lease is not None
    feeds.finish(lease, replace(feed, state=GONE, reason="http_410", next_poll=None))
    yield
    feeds.remove(feed.id, who="test")


@contextmanager
def a_wrong_audit(pages: Site) -> Iterator[None]:
    """Count an item as queued that nobody has in work."""
    change = "UPDATE state_counts SET items = items + ? WHERE state = 'queued'"
    with closing(sqlite3.connect(pages.harness.settings.read_model)) as db:
        with db:
            db.execute("INSERT OR IGNORE INTO state_counts VALUES ('queued', 0)")
            db.execute(change, (1,))
        yield
        with db:
            db.execute(change, (-1,))


@contextmanager
def an_item_that_nobody_takes(pages: Site) -> Iterator[None]:
    change = "UPDATE items SET state = ?, updated_ms = updated_ms + ? WHERE id = 'i_zh'"
    hour_ms = 3_600_000
    with closing(sqlite3.connect(pages.harness.settings.read_model)) as db:
        with db:
            db.execute(change, ("queued", -hour_ms))
        yield
        with db:
            db.execute(change, ("classified", hour_ms))


def frozen(pages: Site, module: str, events: int = 0) -> AbstractContextManager[None]:
    """Stop a process for the length of a block in which so many events arrive."""
    silent = FeedSilent(reason="empty")

    @contextmanager
    def block() -> Iterator[None]:
        (process,) = (
            one for one in pages.harness.processes if module in map(str, one.args)
        )
        os.killpg(process.pid, signal.SIGSTOP)
        if events:
            pages.harness.log.append("f_quiet", *[silent] * events)
        yield
        os.killpg(process.pid, signal.SIGCONT)

    return block()


def a_frozen_ingest(pages: Site) -> AbstractContextManager[None]:
    return frozen(pages, "services.ingest.web")


def a_frozen_projector(pages: Site) -> AbstractContextManager[None]:
    return frozen(pages, "services.api.read_model.projector", events=101)


def a_frozen_notifier(pages: Site) -> AbstractContextManager[None]:
    return frozen(pages, "services.api.subscriptions.notifier", events=1_001)


def test_each_fault_turns_the_page_red_and_its_end_turns_it_back(pages: Site) -> None:
    admin = Member(pages, "admin")
    page = admin.see("/system")
    assert "Everything works" not in page
    assert "It has not run yet" in page
    pages.harness.run("services.api.subscriptions.notifier")
    eventually(lambda: "Everything works" in admin.see("/system"), "it is green")
    for fault, words in (
        (a_lost_item, "Start classifier-keeper"),
        (a_full_store, "of the memory is in use"),
        (a_wrong_audit, "1 items are unaccounted for"),
        (a_failing_feed, "http_410"),
        (an_item_that_nobody_takes, "Check classifier-fetcher and classifier-worker"),
        (a_frozen_ingest, "nothing can be submitted"),
        (a_frozen_projector, "events behind the log. Check the projector"),
        (a_frozen_notifier, "Check api-notifier"),
    ):
        with fault(pages):
            page = eventually(partial(red, admin, words), f"{fault.__name__} is red")
            assert "Everything works" not in page
            assert "thing is wrong" in page or "things are wrong" in page
        eventually(
            lambda: "Everything works" in admin.see("/system"),
            f"it is green after {fault.__name__}",
        )


@pytest.mark.parametrize(("least", "is_red"), [(10**18, True), (1, False)])
def test_a_disk_without_enough_room_is_red_with_the_remedy(
    harness: Harness, *, least: int, is_red: bool
) -> None:
    harness.settings = replace(harness.settings, min_free_bytes=least)
    page = harness.api_client().get("/system", headers=harness.auth).text
    assert ("Make room" in page) is is_red


def red(admin: Member, words: str) -> str:
    """Return the page if it has the words, else nothing."""
    page = admin.see("/system")
    return page if words in page else ""
