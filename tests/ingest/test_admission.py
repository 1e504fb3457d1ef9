"""What is accepted can be ended: the store's mark counts what items still need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from incidentwire.log.event_log import IN_FLIGHT
from incidentwire.settings import Settings
from services.ingest.admission import ITEM_BYTES, Admission
from services.ingest.errors import Overloaded
from tests.eventually import eventually
from tests.harness import PLAIN, Harness, process
from tests.store import Store, free_port, server_binaries

SMALL_STORE = "5mb"
NDJSON = {"Content-Type": "application/x-ndjson"}


def used_bytes(connection: Any) -> int:
    used: int = connection.info("memory")["used_memory"]
    return used


@pytest.fixture
def limited(connection: redis.Redis) -> Iterator[Any]:
    """Yield a store with a limit of 100 MB, which nothing reaches."""
    store: Any = connection
    store.config_set("maxmemory", 100_000_000)
    yield store
    store.config_set("maxmemory", 0)


def test_items_in_flight_count_as_if_they_had_ended(limited: Any) -> None:
    settings = Settings(max_store_share=0.5)
    room = (50_000_000 - used_bytes(limited)) // ITEM_BYTES
    waiting = {f"i_{n}": 1.0 for n in range(room - 400)}
    limited.zadd(IN_FLIGHT, waiting)
    with pytest.raises(Overloaded, match="nearly full"):
        Admission(settings, limited).admit(1_000)
    limited.delete(IN_FLIGHT)
    Admission(settings, limited).admit(1_000)


def test_what_was_admitted_a_moment_ago_counts_too(limited: Any) -> None:
    settings = Settings(max_store_share=0.5)
    admission = Admission(settings, limited)
    admission.clock = lambda: 0.0  # the store is asked once
    half = (50_000_000 - used_bytes(limited)) // ITEM_BYTES // 2
    admission.admit(half)
    with pytest.raises(Overloaded):
        admission.admit(half + 500)


def test_an_item_needs_no_more_memory_than_is_reserved_for_it(harness: Harness) -> None:
    count = 10
    harness.submit(text=f"{PLAIN} 0")
    harness.work()
    before = used_bytes(harness.connection)
    for n in range(1, count + 1):
        harness.submit(text=f"{PLAIN} {n}", title=f"Benches {n}")
    harness.work()
    assert (used_bytes(harness.connection) - before) / count <= ITEM_BYTES


def test_a_store_filled_without_a_worker_drains_by_itself(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    store = Store(
        tmp_path / "store",
        free_port(),
        server_binaries()[0],
        extra=("--maxmemory", SMALL_STORE),
    )
    store.start()
    try:
        with Harness(store.connect(), store.url, tmp_path / "data") as harness:
            accepted = fill(harness)
            assert accepted > 50
            with process(harness, "services.classifier.worker") as worker:
                eventually(
                    lambda: not harness.in_flight(), "everything came to its end"
                )
                assert worker.poll() is None
            ended = [e for e in harness.log.read() if e.type == "item.classified"]
            assert len(ended) == accepted
    finally:
        store.kill()


def fill(harness: Harness) -> int:
    """Submit texts until the service refuses; return how many it accepted."""
    submitter = harness.ingest_client.application.extensions["incidentwire.submitter"]
    submitter.admission.clock = iter(range(0, 10**9, 10)).__next__
    accepted = 0
    while True:
        body = b"".join(
            b'{"text":"Benches are back in the park: %d"}\n' % n
            for n in range(accepted, accepted + 50)
        )
        answer = harness.post(body, **NDJSON)
        accepted += answer.get_data().count(b'"status": 202')
        if answer.status_code == 503 or b'"status": 503' in answer.get_data():
            return accepted
