"""The fetcher: hundreds of waits at once, none of which costs another page anything."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from incidentwire import queue
from incidentwire.archive import digest_of
from incidentwire.events import ItemSubmitted
from incidentwire.items import State
from incidentwire.log.event_log import AppendRequest
from incidentwire.net import urls
from incidentwire.net.rate_limit import host_of
from incidentwire.queue import QueueEntry
from services.classifier.fetcher import Fetcher, FetcherContext
from tests.eventually import eventually
from tests.harness import PLAIN, Harness, Site, page, process, robots_rules
from tests.many_hosts import HOSTS, ManyHosts, many_hosts
from tests.store import Store

ARTICLE = page("Benches return to the river park", f"{PLAIN}\n\nPATH")


@pytest.fixture
def site() -> Iterator[ManyHosts]:
    with many_hosts(ARTICLE) as running:
        yield running


@pytest.fixture
def fetching(connection: redis.Redis, store: Store, tmp_path: Path) -> Harness:
    return harness_with(connection, store, tmp_path)


def harness_with(
    connection: redis.Redis, store: Store, folder: Path, **more: Any
) -> Harness:
    return Harness(connection, store.url, folder, allowed_hosts=HOSTS, **more)


def submit(
    harness: Harness, pages: Sequence[str], *, by: str = "ann", bulk: bool = False
) -> list[str]:
    """Append and queue pages as ingest does; return the items' ids."""
    ids = [urls.item_id(url) for url in pages]
    requests = [
        AppendRequest(
            events=[(item, ItemSubmitted(via=by, url=url))],
            expected_versions={item: 0},
        )
        for item, url in zip(ids, pages, strict=True)
    ]
    entries = [QueueEntry(id=i, submitter=by, needs_fetch=True) for i in ids]
    harness.log.append_many(
        requests,
        in_same_transaction=queue.enqueue(harness.connection, entries, bulk=bulk),
    )
    return ids


def fetched(harness: Harness, ids: Sequence[str]) -> list[str]:
    """Return those whose pages are with the workers."""
    return [i for i in ids if harness.connection.hexists(queue.FETCHED, i)]


@contextmanager
def running(harness: Harness) -> Iterator[Fetcher]:
    """Yield a fetcher in a thread."""
    context = FetcherContext.of(harness.settings, harness.connection, robots_rules())
    fetcher = Fetcher(context)
    stopped = threading.Event()
    thread = threading.Thread(target=fetcher.run, args=(stopped,), daemon=True)
    thread.start()
    try:
        yield fetcher
    finally:
        stopped.set()
        fetcher.wake.set()
        thread.join(30)
        assert not thread.is_alive()


def test_pages_that_hang_cost_the_others_nothing(
    fetching: Harness, site: ManyHosts
) -> None:
    hanging = submit(fetching, [site.url(n, "/hang") for n in range(20)])
    good = submit(fetching, [site.url(100 + n, f"/{n}") for n in range(40)])
    with running(fetching) as fetcher:
        eventually(lambda: fetched(fetching, good) == good, "the good ones are there")
        assert fetched(fetching, hanging) == []
        assert len(fetcher.running) == 20
        late = submit(fetching, [site.url(400, "/late")])
        eventually(lambda: fetched(fetching, late) == late, "and one that came later")
        site.release.set()
        eventually(lambda: fetched(fetching, hanging) == hanging, "the hanging ones")


def test_many_pages_of_one_slow_host_delay_only_that_host(
    fetching: Harness, site: ManyHosts
) -> None:
    slow = submit(fetching, [site.url(0, f"/hang/{n}") for n in range(500)], bulk=True)
    others = submit(fetching, [site.url(1 + n, f"/{n}") for n in range(50)], bulk=True)
    with running(fetching):
        eventually(lambda: fetched(fetching, others) == others, "the others are there")
        assert fetched(fetching, slow) == []
        host = host_of(site.url(0, "/"))
        assert site.at_once[host] == fetching.settings.host_concurrency


def test_a_key_that_fills_the_fetcher_leaves_room_for_others(
    connection: redis.Redis, store: Store, tmp_path: Path, site: ManyHosts
) -> None:
    harness = harness_with(connection, store, tmp_path, fetch_threads=8)
    submit(harness, [site.url(n, "/hang") for n in range(40)], by="ann")
    with running(harness) as fetcher:
        eventually(lambda: len(fetcher.running) >= 6, "the key has its share")
        of_bob = submit(harness, [site.url(100, "/a")], by="bob")
        seen = []

        def is_there() -> bool:
            keys = [fetch.key for fetch in list(fetcher.running.values())]
            seen.append(sum(key.endswith("ann") for key in keys))
            return fetched(harness, of_bob) == of_bob

        eventually(is_there, "bob's page is there")
    assert max(seen) <= 6


def test_redirects_to_one_host_keep_to_its_limit(
    fetching: Harness, site: ManyHosts
) -> None:
    victim = sorted(HOSTS)[500]
    site.work_s = 0.05
    ids = submit(fetching, [site.url(n, f"/to/{victim}/{n}") for n in range(12)])
    with running(fetching):
        eventually(lambda: fetched(fetching, ids) == ids, "all came through")
    assert 1 <= site.at_once[victim] <= fetching.settings.host_concurrency


def test_a_fetcher_that_is_asked_to_stop_gives_its_fetches_back(
    fetching: Harness, site: ManyHosts
) -> None:
    ids = submit(fetching, [site.url(n, "/hang") for n in range(5)])
    with process(fetching, "services.classifier.fetcher") as fetcher:
        eventually(lambda: len(site.seen) >= 5, "all are under way")
        assert queue.queued_for_fetch(fetching.connection, ids) == set()
        fetcher.send_signal(signal.SIGTERM)
        assert fetcher.wait(60) == 0
    assert queue.queued_for_fetch(fetching.connection, ids) == set(ids)


def test_two_fetchers_share_the_queue(fetching: Harness, site: ManyHosts) -> None:
    ids = submit(fetching, [site.url(n, f"/{n}") for n in range(60)])
    with running(fetching), running(fetching):
        eventually(lambda: sorted(fetched(fetching, ids)) == sorted(ids), "all there")
    articles = [path for path in site.seen if not path.endswith("/robots.txt")]
    assert len(articles) == 60  # each once


def test_an_item_that_ended_meanwhile_leaves_the_queue(
    fetching: Harness, site: ManyHosts
) -> None:
    ids = submit(fetching, [site.url(0, "/a")])
    fetching.work()
    assert fetching.item(ids[0]).state is State.CLASSIFIED
    entry = QueueEntry(id=ids[0], submitter="ann", needs_fetch=True)
    queue.enqueue_now(fetching.connection, [entry])
    fetching.work()
    assert queue.queued_for_fetch(fetching.connection, ids) == set()
    assert site.seen.count(f"{host_of(site.url(0, ''))}/a") == 1


def deny(*_: object) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@pytest.mark.parametrize("is_outage", [False, True])
def test_a_page_that_cannot_be_stored_ends_its_item_unless_the_archive_is_away(
    harness: Harness, web_site: Site, monkeypatch: pytest.MonkeyPatch, is_outage: bool
) -> None:
    body = page("Benches return", PLAIN)
    item_id = harness.submit(url=web_site.put("/a", body))
    stored = f"{item_id[2:4]}/{item_id}/{digest_of(body)}.zst"
    Path(harness.settings.archive, stored).mkdir(parents=True)
    if is_outage:  # permissions do not stop the superuser, who may run the tests
        monkeypatch.setattr(os, "replace", deny)
    harness.fetch()
    types = ["item.submitted"] if is_outage else ["item.submitted", "item.deferred"]
    assert harness.types(item_id) == types


def test_a_hosts_name_is_canonical() -> None:
    assert host_of("https://Quay.Example./a") == host_of("https://quay.example/b")
