"""A key has a quota; what is left is said, and another key's is its own."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from incidentwire import queue
from incidentwire.web.keys import Keys
from services.ingest.errors import QuotaExceeded
from services.ingest.quota import ITEMS, REQUESTS, Quota
from tests.harness import Harness
from tests.store import Store

NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def small(connection: redis.Redis, store: Store, tmp_path: Path) -> Harness:
    """Return a service with 3 requests and 5 items a minute."""
    return Harness(
        connection, store.url, tmp_path, requests_per_minute=3, items_per_minute=5
    )


def lines(count: int, name: str) -> bytes:
    return b"".join(b'{"text": "%s %d"}\n' % (name.encode(), n) for n in range(count))


def test_past_the_quota_of_requests_a_key_is_refused_and_another_is_not(
    small: Harness, connection: redis.Redis
) -> None:
    answers = [small.post({"text": f"text {n}"}) for n in range(4)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 20
    assert answers[3].get_json()["type"].endswith(":quota-exceeded")
    assert small.log.last() == 3
    other = Keys(connection).create("other", ["submit"])
    answer = small.post({"text": "more"}, Authorization=f"Bearer {other}")
    assert answer.status_code == 202


def test_an_answer_says_what_is_left(small: Harness) -> None:
    headers = small.post({"text": "text"}).headers
    assert headers["RateLimit-Policy"] == '"requests";q=3;w=60, "items";q=5;w=60'
    assert headers["RateLimit"] == '"requests";r=2;t=20, "items";r=4;t=12'


def test_requests_at_the_same_time_lose_none_of_the_quota(
    connection: redis.Redis, store: Store, tmp_path: Path
) -> None:
    harness = Harness(connection, store.url, tmp_path, requests_per_minute=6_000)
    quota = Quota(harness.settings, connection)
    connection.client_pause(300)  # so that all of them ask the store
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: quota.take("me", REQUESTS), range(16)))
    allowance = quota.take("me", REQUESTS)
    assert allowance is not None
    assert allowance.left > 5_900


def test_items_of_a_bulk_body_count_one_by_one(small: Harness) -> None:
    rows = small.post(lines(4, "a"), **NDJSON).get_data().splitlines()
    assert len(rows) == 4
    answer = small.post(lines(4, "b"), **NDJSON)
    assert (answer.status_code, small.log.last()) == (429, 4)


def test_a_later_part_of_a_body_is_refused_line_by_line(
    connection: redis.Redis, store: Store, tmp_path: Path
) -> None:
    harness = Harness(connection, store.url, tmp_path, items_per_minute=700)
    answer = harness.post(lines(1000, "a"), **NDJSON)
    rows = [json.loads(line) for line in answer.get_data().splitlines()]
    assert [row["status"] for row in rows] == [202] * 500 + [429] * 500
    assert harness.log.last() == 500


def test_a_bucket_is_shared_by_processes_and_refills(
    connection: redis.Redis, small: Harness
) -> None:
    here = Quota(small.settings, connection)
    there = Quota(small.settings, connection)
    for quota in (here, there, here):
        quota.take("ann", REQUESTS)
    with pytest.raises(QuotaExceeded, match="3 requests a minute"):
        there.take("ann", REQUESTS)
    connection.hincrbyfloat("iw:quota:requests:ann", "at", -20.0)  # 20 s pass
    there.take("ann", REQUESTS)
    with pytest.raises(QuotaExceeded):
        there.take("ann", REQUESTS)


def test_beyond_its_share_a_keys_single_items_wait_behind_those_of_others(
    connection: redis.Redis, store: Store, tmp_path: Path
) -> None:
    harness = Harness(connection, store.url, tmp_path, prompt_items_per_minute=2)
    other = Keys(connection).create("other", ["submit"])
    for n in range(4):
        assert harness.post({"text": f"text {n}"}).status_code == 202
    harness.post({"text": "of another"}, Authorization=f"Bearer {other}")
    first, bulk = queue.open_item_queues(connection)
    assert (first.count, bulk.count) == (3, 2)


def test_without_a_limit_nothing_is_counted(
    connection: redis.Redis, store: Store, tmp_path: Path
) -> None:
    harness = Harness(
        connection, store.url, tmp_path, requests_per_minute=0, items_per_minute=0
    )
    assert Quota(harness.settings, connection).take("ann", ITEMS, 10**6) is None
    assert "RateLimit" not in harness.post({"text": "text"}).headers
