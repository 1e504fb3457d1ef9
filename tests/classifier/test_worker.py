"""The worker as a process: killed at any moment it loses nothing; an item that kills it stands alone in the end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from incidentwire import queue
from incidentwire.items import State
from incidentwire.settings import to_env
from services.classifier import worker
from tests.eventually import eventually
from tests.house import PLAIN, House, Site, page, process
from tests.store import Store


def test_a_worker_takes_what_is_queued_and_ends_on_sigterm(house: House) -> None:
    ids = [house.submit(text=f"{PLAIN} {n}", title="Benches") for n in range(3)]
    with process(house, "services.classifier.worker") as running:
        eventually(lambda: all(house.item(i).ended for i in ids), "all classified")
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=60) == 0
    assert [house.item(i).state for i in ids] == [State.CLASSIFIED] * 3


def test_kill_9_of_worker_and_horse_in_mid_work_loses_nothing(
    own_store: Store, tmp_path: Path, web_site: Site
) -> None:
    house = House(own_store.connect(), own_store.url, tmp_path, fetch_timeout_s=3.0)
    body = b"".join(
        b'{"url":"%s"}\n'
        % web_site.put(f"/{n}", page(f"Benches {n}", f"{PLAIN} {n}")).encode()
        for n in range(40)
    )
    answer = house.post(body, **{"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200
    ids = list(house.in_flight())
    assert len(ids) == 40
    with process(house, "services.classifier.worker"):
        eventually(lambda: len(house.in_flight()) < 35, "the worker is in mid-work")
    assert house.in_flight(), "it was killed too late to show anything"
    # the keeper would come in 30 s of real time: make the time come now
    house.connection.zadd("iw:in_flight", dict.fromkeys(house.in_flight(), 1.0))
    with (
        process(house, "services.classifier.keeper"),
        process(house, "services.classifier.worker"),
    ):
        eventually(lambda: not house.in_flight(), "everything came to its end")
    assert {house.item(i).state for i in ids} == {State.CLASSIFIED}
    ends = [e.subject for e in house.log.read() if e.type == "item.classified"]
    assert sorted(ends) == sorted(ids)  # each once
    assert house.log.is_gapless()


def test_kill_9_of_the_store_in_mid_work_loses_nothing(
    own_store: Store, tmp_path: Path
) -> None:
    house = House(own_store.connect(), own_store.url, tmp_path)
    ids = [house.submit(text=f"{PLAIN} {n}", title="Benches") for n in range(30)]
    with process(house, "services.classifier.worker"):
        eventually(lambda: len(house.in_flight()) < 25, "the worker is in mid-work")
        own_store.kill()
    own_store.start()
    house.connection.zadd("iw:in_flight", dict.fromkeys(house.in_flight(), 1.0))
    with (
        process(house, "services.classifier.keeper"),
        process(house, "services.classifier.worker"),
    ):
        eventually(lambda: not house.in_flight(), "everything came to its end")
    assert {house.item(i).state for i in ids} == {State.CLASSIFIED}
    assert house.log.is_gapless()


def test_a_batch_whose_horse_dies_is_split_until_the_poison_stands_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [house.submit(text=f"{PLAIN} {n}", title="Benches") for n in range(4)]
    house.connection.delete(*house.connection.keys("rq:*"))
    for name, value in to_env(house.settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(worker.jobs, "worker_context", lambda: house.context)
    bulk = queue.open_queue(queue.CLASSIFY, house.connection)
    # a job of ours that is known to kill its horse: it sends itself SIGKILL when the poisonous item is in its batch
    poison = ids[2]
    monkeypatch.setattr(
        house.context.archive, "get", _deadly(poison, house.context.archive.get)
    )
    with house.connection.pipeline() as pipe:
        pipe.multi()
        queue.jobs_for(bulk, queue.WORK_ON_ITEMS, [ids])(pipe)
        pipe.execute()
    monkeypatch.setattr(
        "services.classifier.jobs.worker_context", lambda: house.context
    )
    worker.make_worker(queue.open_item_queues(house.connection)).work(
        burst=True, logging_level="ERROR"
    )
    assert [house.item(i).state for i in ids if i != poison] == [State.CLASSIFIED] * 3
    item = house.item(poison)
    assert (item.state, item.reason, item.attempt) == (State.WAITING, "crashed", 1)


def _deadly(poison: str, get):  # type: ignore[no-untyped-def]
    def read(item: str, digest: str) -> bytes:
        if item == poison:
            os.kill(os.getpid(), signal.SIGKILL)
        data: bytes = get(item, digest)
        return data

    return read


def test_neighbours_are_taken_along_and_a_poisonous_one_still_stands_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [
        house.submit(text=f"{PLAIN} {n}", title="Benches") for n in range(9)
    ]  # a job each
    poison = ids[3]
    monkeypatch.setattr(
        house.context.archive, "get", _deadly(poison, house.context.archive.get)
    )
    monkeypatch.setattr(
        "services.classifier.jobs.worker_context", lambda: house.context
    )
    worker.make_worker(queue.open_item_queues(house.connection)).work(
        burst=True, logging_level="ERROR"
    )
    assert {house.item(i).state for i in ids if i != poison} == {State.CLASSIFIED}
    item = house.item(poison)
    assert (item.state, item.reason, item.attempt) == (State.WAITING, "crashed", 1)


def test_no_more_than_half_of_the_waiting_is_taken_along(house: House) -> None:
    ids = [house.submit(text=f"{PLAIN} {n}", title="Benches") for n in range(9)]
    first, _ = queue.open_item_queues(house.connection)
    assert worker.prefetch(first) == ids[:4]
    assert worker.prefetch(first, most=1) == ids[4:5]
    assert house.queued() == [[i] for i in ids[5:]]
    for _ in range(5):
        worker.prefetch(first)
    assert house.queued() == [[ids[8]]]


def test_a_job_of_a_bulk_submission_takes_nobody_along(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [house.submit(text=f"{PLAIN} {n}", title="Benches") for n in range(6)]
    house.connection.delete(*house.connection.keys("rq:*"))
    bulk = queue.open_queue(queue.CLASSIFY, house.connection)
    with house.connection.pipeline() as pipe:
        pipe.multi()
        queue.jobs_for(bulk, queue.WORK_ON_ITEMS, [ids[:2], ids[2:4], ids[4:]])(pipe)
        pipe.execute()
    monkeypatch.setattr(
        "services.classifier.jobs.worker_context", lambda: house.context
    )
    one_job = worker.make_worker(queue.open_item_queues(house.connection))
    one_job.work(burst=True, max_jobs=1, logging_level="ERROR")
    assert [house.item(i).ended for i in ids] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
