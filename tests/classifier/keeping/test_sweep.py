"""The sweep removes the records of items that have ended, on every server that is
installed: options of newer ones are an error on Redis 7.0."""

from __future__ import annotations

import time

import pytest
import redis
from rq.registry import FailedJobRegistry

from incidentwire import queue
from incidentwire.log.event_log import IN_FLIGHT
from services.classifier.keeping.sweep import HASHES, JOB_AGE_S, Sweep
from tests.store import Store

ENDED = "01JZZZZZZZZZZZZZZZZZZZZZZ0"
UNDER_WAY = "01JZZZZZZZZZZZZZZZZZZZZZZ1"


@pytest.mark.parametrize("name", HASHES)
def test_only_records_of_ended_items_are_removed(own_store: Store, name: str) -> None:
    connection = own_store.connect()
    connection.zadd(IN_FLIGHT, {UNDER_WAY: 1.0})
    connection.hset(name, mapping={ENDED: b"{}", UNDER_WAY: b"{}"})
    assert Sweep(connection).run(0.0) is False
    assert list(connection.hgetall(name)) == [UNDER_WAY.encode()]


def test_jobs_whose_worker_died_as_it_took_them_go_after_an_hour(
    connection: redis.Redis,
) -> None:
    work = queue.open_queue(queue.CLASSIFY, connection)
    queued, taken = (
        work.enqueue(queue.WORK_ON_ITEMS, [item], ttl=queue.JOB_TTL_S)
        for item in ("i_a", "i_b")
    )
    work.remove(taken.id)
    now = time.time()
    Sweep(connection).run(now)
    assert connection.exists(queued.key, taken.key) == 2
    Sweep(connection).run(now + 2 * JOB_AGE_S)
    assert [connection.exists(job.key) for job in (queued, taken)] == [1, 0]


def test_jobs_that_earlier_versions_kept_as_failed_go_with_their_results(
    connection: redis.Redis,
) -> None:
    work = queue.open_queue(queue.CLASSIFY, connection)
    job = work.create_job(queue.WORK_ON_ITEMS, args=(["i_a"],))
    job.save()
    FailedJobRegistry(queue=work).add(job, ttl=-1, exc_string="Traceback: a word")
    connection.set(f"rq:results:{job.id}", "Traceback: a word")
    Sweep(connection).run(0.0)
    assert list(connection.scan_iter("rq:*")) == []
