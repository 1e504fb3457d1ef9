"""Nothing in flight is forgotten: lost jobs come back, waiting items are tried again, running ones are left alone."""

from __future__ import annotations

import time

from incidentwire.items import State
from incidentwire.log.event_log import IN_FLIGHT, VISIBILITY_TIMEOUT_S
from services.classifier import keeper
from services.classifier.lease import Lease
from tests.house import PLAIN, House, Site, page

LATER_S = VISIBILITY_TIMEOUT_S + 1


def test_an_item_whose_job_was_lost_is_queued_again(house: House) -> None:
    item_id = house.submit(text=PLAIN, title="Benches")
    for key in house.connection.scan_iter("rq:*"):
        house.connection.delete(key)
    now = time.time()
    assert (
        keeper.requeue_expired(house.connection, 50, now) == []
    )  # too soon: somebody may have it
    assert keeper.requeue_expired(house.connection, 50, now + LATER_S) == [item_id]
    assert (
        keeper.requeue_expired(house.connection, 50, now + LATER_S) == []
    )  # two keepers do it once
    house.work()
    assert house.item(item_id).state is State.CLASSIFIED


def test_an_item_that_is_still_queued_is_left_in_the_queue(house: House) -> None:
    item_id = house.submit(text=PLAIN, title="Benches")
    for round_ in range(1, 4):
        assert (
            keeper.requeue_expired(house.connection, 50, time.time() + round_ * LATER_S)
            == []
        )
    assert house.queued() == [[item_id]]


def test_an_item_that_waits_is_tried_again_when_its_time_has_come(
    house: House, web_site: Site
) -> None:
    item_id = house.submit(url=web_site.put("/a", b"", 503))
    house.work()
    waits_until = house.in_flight()[item_id]
    assert keeper.requeue_expired(house.connection, 50, waits_until - 1) == []
    assert keeper.requeue_expired(house.connection, 50, waits_until + 1) == [item_id]
    assert house.queued() == [[item_id]]


def test_what_a_worker_has_under_way_is_left_to_it(house: House) -> None:
    item_id = house.submit(text=PLAIN, title="Benches")
    for key in house.connection.scan_iter("rq:*"):
        house.connection.delete(key)
    house.connection.zadd(IN_FLIGHT, {item_id: time.time() - 5})
    with Lease(house.connection, [item_id]):
        assert keeper.requeue_expired(house.connection, 50, time.time()) == []
        assert keeper.requeue_expired(house.connection, 50, time.time() + LATER_S) == [
            item_id
        ]  # the worker has died


def test_an_ended_item_does_not_come_back_into_flight(
    house: House, web_site: Site
) -> None:
    item_id = house.submit(url=web_site.put("/a", page("Benches return", PLAIN)))
    with Lease(house.connection, [item_id]) as lease:
        house.work()
        lease._extend()
    assert house.in_flight() == {}


def test_many_lost_items_are_queued_in_batches(house: House) -> None:
    ids = {house.submit(text=f"{PLAIN} {n}", title="Benches") for n in range(7)}
    for key in house.connection.scan_iter("rq:*"):
        house.connection.delete(key)
    assert (
        set(keeper.requeue_expired(house.connection, 3, time.time() + LATER_S)) == ids
    )
    assert sorted(len(job) for job in house.queued()) == [1, 3, 3]
