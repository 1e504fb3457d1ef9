"""Nothing in flight is forgotten: lost jobs come back, waiting items are tried again, running ones are left alone."""

from __future__ import annotations

import time

from incidentwire import queue
from incidentwire.items import State
from incidentwire.log.event_log import IN_FLIGHT, VISIBILITY_TIMEOUT_S
from services.classifier.keeping.requeue import requeue_expired
from services.classifier.lease import Lease
from tests.house import PLAIN, House, Site, page

LATER_S = VISIBILITY_TIMEOUT_S + 1


def test_an_item_whose_job_was_lost_is_queued_again(house: House) -> None:
    item_id = house.submit(text=PLAIN, title="Benches")
    for key in house.connection.scan_iter("rq:*"):
        house.connection.delete(key)
    now = time.time()
    assert (
        requeue_expired(house.connection, now) == []
    )  # too soon: somebody may have it
    assert requeue_expired(house.connection, now + LATER_S) == [item_id]
    assert (
        requeue_expired(house.connection, now + LATER_S) == []
    )  # two keepers do it once
    house.work()
    assert house.item(item_id).state is State.CLASSIFIED


def test_an_item_that_is_still_queued_is_left_in_the_queue(house: House) -> None:
    item_id = house.submit(text=PLAIN, title="Benches")
    for round_ in range(1, 4):
        assert requeue_expired(house.connection, time.time() + round_ * LATER_S) == []
    assert house.queued() == [[item_id]]


def test_an_item_that_waits_is_tried_again_when_its_time_has_come(
    house: House, web_site: Site
) -> None:
    item_id = house.submit(url=web_site.put("/a", b"", 503))
    house.work()
    waits_until = house.in_flight()[item_id]
    assert requeue_expired(house.connection, waits_until - 1) == []
    assert requeue_expired(house.connection, waits_until + 1) == [item_id]
    assert queue.queued_for_fetch(house.connection, [item_id]) == {item_id}


def test_items_that_a_worker_holds_are_left_to_it(house: House) -> None:
    item_id = house.submit(text=PLAIN, title="Benches")
    for key in house.connection.scan_iter("rq:*"):
        house.connection.delete(key)
    house.connection.zadd(IN_FLIGHT, {item_id: time.time() - 5})
    Lease(house.connection, [item_id])
    assert requeue_expired(house.connection, time.time()) == []
    # the worker has died
    assert requeue_expired(house.connection, time.time() + LATER_S) == [item_id]


def test_an_ended_item_does_not_come_back_into_flight(house: House) -> None:
    item_id = house.submit(text=PLAIN, title="Benches")
    lease = Lease(house.connection, [item_id])
    house.work()
    lease.renew(after_s=0)
    assert house.in_flight() == {}


def test_lost_items_are_queued_before_all_others(house: House) -> None:
    lost = {house.submit(text=f"{PLAIN} {n}", title="Benches") for n in range(7)}
    for key in house.connection.scan_iter("rq:*"):
        house.connection.delete(key)
    waiting = house.submit(text=f"{PLAIN} later", title="Benches")
    house.connection.zadd(IN_FLIGHT, {waiting: time.time() + 2 * LATER_S})
    assert set(requeue_expired(house.connection, time.time() + LATER_S)) == lost
    *first, last = house.queued()
    assert {item for job in first for item in job} == lost
    assert last == [waiting]


def test_a_lost_page_goes_to_the_worker_if_it_was_fetched(
    house: House, web_site: Site
) -> None:
    item_id = house.submit(url=web_site.put("/a", page("Benches return", PLAIN)))
    house.fetch()
    for key in house.connection.scan_iter("rq:*"):
        house.connection.delete(key)
    assert requeue_expired(house.connection, time.time() + LATER_S) == [item_id]
    house.work()
    assert house.item(item_id).state is State.CLASSIFIED
    assert web_site.seen.count("/a") == 1
