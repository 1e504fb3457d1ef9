"""One process serves streams and queries, and a query never holds up a stream."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from incidentwire.events import ItemSubmitted
from tests.eventually import eventually
from tests.harness import Harness
from tests.store import free_port


def test_events_arrive_on_a_stream_while_a_slow_query_is_still_running(
    harness: Harness, tmp_path: Path
) -> None:
    harness.add_item("i_a")
    harness.projector().catch_up()
    block = tmp_path / "block"
    begun = tmp_path / "begun"
    block.touch()
    harness.port = free_port()
    harness.run("tests.api.slow_web", str(harness.port), str(block))
    eventually(harness.answers)
    stream = harness.subscribe()
    answers: list[Any] = []
    query = threading.Thread(target=lambda: answers.append(harness.get("/slow")))
    query.start()
    eventually(begun.exists)
    for n in range(
        5
    ):  # SQLite computes until `block` goes, and that goes only after these have arrived
        position = harness.log.append(
            f"i_{n}", ItemSubmitted(url=f"https://news.example.org/{n}", via="t")
        ).last
        assert stream.take(1) == [position]
        assert harness.get("/v1/items?limit=1")[0] == 200
    assert answers == []
    block.unlink()
    query.join()
    status, body = answers[0]
    assert status == 200
    assert body["counted"] >= 100_000


def test_two_workers_serve_the_same(harness: Harness) -> None:
    harness.run_web(workers=2)
    streams = [harness.subscribe() for _ in range(10)]
    harness.add_item("i_a")
    for stream in streams:
        assert stream.take(3) == [1, 2, 3]
