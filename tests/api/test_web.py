"""One process serves streams and queries, and a query never holds up a stream."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from incidentwire.events import ItemSubmitted
from tests.eventually import eventually
from tests.house import House
from tests.store import free_port


def test_events_arrive_on_a_stream_while_a_slow_query_is_still_running(
    house: House, tmp_path: Path
) -> None:
    house.add_item("i_a")
    house.projector().catch_up()
    block, begun = tmp_path / "block", tmp_path / "begun"
    block.touch()
    house.port = free_port()
    house.run("tests.api.slow_web", str(house.port), str(block))
    eventually(house.answers)
    stream = house.subscribe()
    answers: list[Any] = []
    query = threading.Thread(target=lambda: answers.append(house.get("/slow")))
    query.start()
    eventually(begun.exists)
    for n in range(
        5
    ):  # SQLite computes until `block` goes, and that goes only after these have arrived
        position = house.log.append(
            f"i_{n}", ItemSubmitted(url=f"https://news.example.org/{n}", via="t")
        ).last
        assert stream.take(1) == [position]
        assert house.get("/v1/items?limit=1")[0] == 200
    assert answers == []
    block.unlink()
    query.join()
    status, body = answers[0]
    assert status == 200
    assert body["counted"] >= 100_000


def test_two_workers_serve_the_same(house: House) -> None:
    house.run_web(workers=2)
    streams = [house.subscribe() for _ in range(10)]
    house.add_item("i_a")
    for stream in streams:
        assert stream.take(3) == [1, 2, 3]
