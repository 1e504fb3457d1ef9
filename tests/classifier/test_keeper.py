"""Nothing in flight is forgotten: lost jobs come back, waiting items are tried again, running ones are left alone."""

from __future__ import annotations

import time

import pytest

from incidentwire import queue
from incidentwire.items import State
from incidentwire.log.event_log import IN_FLIGHT, VISIBILITY_TIMEOUT_S
from incidentwire.queue import FETCHED
from services.classifier.fetching.handover import REFRESHED
from services.classifier.keeping.periodic import periodic_tasks
from services.classifier.keeping.requeue import requeue_expired
from services.classifier.lease import Lease
from tests.harness import PLAIN, Harness, Site, page

LATER_S = VISIBILITY_TIMEOUT_S + 1


def test_an_item_whose_job_was_lost_is_queued_again(harness: Harness) -> None:
    item_id = harness.submit(text=PLAIN, title="Benches")
    for key in harness.connection.scan_iter("rq:*"):
        harness.connection.delete(key)
    now = time.time()
    assert (
        requeue_expired(harness.connection, now) == []
    )  # too soon: somebody may have it
    assert requeue_expired(harness.connection, now + LATER_S) == [item_id]
    assert (
        requeue_expired(harness.connection, now + LATER_S) == []
    )  # two keepers do it once
    harness.work()
    assert harness.item(item_id).state is State.CLASSIFIED


def test_an_item_that_is_still_queued_is_left_in_the_queue(harness: Harness) -> None:
    item_id = harness.submit(text=PLAIN, title="Benches")
    for round_ in range(1, 4):
        assert requeue_expired(harness.connection, time.time() + round_ * LATER_S) == []
    assert harness.queued() == [[item_id]]


def test_an_item_that_waits_is_tried_again_when_its_time_has_come(
    harness: Harness, web_site: Site
) -> None:
    item_id = harness.submit(url=web_site.put("/a", b"", 503))
    harness.work()
    waits_until = harness.in_flight()[item_id]
    assert requeue_expired(harness.connection, waits_until - 1) == []
    assert requeue_expired(harness.connection, waits_until + 1) == [item_id]
    assert queue.queued_for_fetch(harness.connection, [item_id]) == {item_id}


def test_items_that_a_worker_holds_are_left_to_it(harness: Harness) -> None:
    item_id = harness.submit(text=PLAIN, title="Benches")
    for key in harness.connection.scan_iter("rq:*"):
        harness.connection.delete(key)
    harness.connection.zadd(IN_FLIGHT, {item_id: time.time() - 5})
    Lease(harness.connection, [item_id])
    assert requeue_expired(harness.connection, time.time()) == []
    # the worker has died
    assert requeue_expired(harness.connection, time.time() + LATER_S) == [item_id]


def test_an_ended_item_does_not_come_back_into_flight(harness: Harness) -> None:
    item_id = harness.submit(text=PLAIN, title="Benches")
    lease = Lease(harness.connection, [item_id])
    harness.work()
    lease.renew(after_s=0)
    assert harness.in_flight() == {}


def test_a_lease_of_a_clock_ahead_ends(harness: Harness, web_site: Site) -> None:
    lost = harness.submit(text=PLAIN, title="Benches")
    waiting = harness.submit(url=web_site.put("/busy", b"", status=503))
    harness.fetch()
    held = harness.submit(text=f"{PLAIN} Held.", title="Benches")
    now = time.time()
    ahead = {lost: now + 86_400, waiting: now + 3_600, held: now + LATER_S}
    harness.connection.zadd(IN_FLIGHT, ahead)
    for chore in periodic_tasks(harness.settings, harness.connection):
        chore.run(now)
    assert harness.in_flight() == ahead | {lost: now}


def test_lost_items_are_queued_before_all_others(harness: Harness) -> None:
    lost = {harness.submit(text=f"{PLAIN} {n}", title="Benches") for n in range(7)}
    for key in harness.connection.scan_iter("rq:*"):
        harness.connection.delete(key)
    waiting = harness.submit(text=f"{PLAIN} later", title="Benches")
    harness.connection.zadd(IN_FLIGHT, {waiting: time.time() + 2 * LATER_S})
    assert set(requeue_expired(harness.connection, time.time() + LATER_S)) == lost
    *first, last = harness.queued()
    assert {item for job in first for item in job} == lost
    assert last == [waiting]


def test_a_lost_page_has_its_place_by_the_time_of_its_request(
    harness: Harness, web_site: Site
) -> None:
    lost = harness.submit(url=web_site.url("/a"))
    for key in queue.fetch_keys(harness.connection):
        harness.connection.delete(key)
    later = harness.submit(url=web_site.url("/b"))
    assert requeue_expired(harness.connection, time.time() + LATER_S) == [lost]
    [waiting] = queue.waiting_pages(harness.connection, 10).values()
    assert [item_id for item_id, _ in waiting] == [lost, later]


@pytest.mark.parametrize("record", ["{half", '{"request": 1, "of": "old"}', "[]"])
def test_a_page_whose_record_is_damaged_is_fetched_again(
    harness: Harness, web_site: Site, record: str
) -> None:
    item_id = harness.submit(url=web_site.put("/a", page("Benches return", PLAIN)))
    harness.fetch()
    for key in harness.connection.scan_iter("rq:*"):
        harness.connection.delete(key)
    harness.connection.hset(FETCHED, item_id, record)
    harness.connection.hset(REFRESHED, item_id, record)
    assert requeue_expired(harness.connection, time.time() + LATER_S) == [item_id]
    harness.work()
    assert harness.item(item_id).state is State.CLASSIFIED
    assert web_site.seen.count("/a") == 2


def test_a_lost_page_goes_to_the_worker_if_it_was_fetched(
    harness: Harness, web_site: Site
) -> None:
    item_id = harness.submit(url=web_site.put("/a", page("Benches return", PLAIN)))
    harness.fetch()
    for key in harness.connection.scan_iter("rq:*"):
        harness.connection.delete(key)
    assert requeue_expired(harness.connection, time.time() + LATER_S) == [item_id]
    harness.work()
    assert harness.item(item_id).state is State.CLASSIFIED
    assert web_site.seen.count("/a") == 1
