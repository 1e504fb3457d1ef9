"""Queue items in flight again that no process holds and no queue names.

The log's append script keeps, for each item in flight, the time at which somebody has
to look at it: soon after it was requested, at its next attempt if it waits, and later
if a process that works on it renews its lease.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import redis

from incidentwire import items, queue
from incidentwire.items import State
from incidentwire.log.event_log import IN_FLIGHT, VISIBILITY_TIMEOUT_S, EventLog
from incidentwire.queue import QueueEntry
from incidentwire.telemetry import event_line
from services.classifier.fetching import handover

LOOKS = 5000  # items per round, so that a round stays short
DUE_LAST = 500  # items that are due last

logger = logging.getLogger(__name__)


def requeue_expired(connection: redis.Redis, now: float) -> list[str]:
    """Queue the items whose time has come and that nothing holds; return their ids.

    `now` is in seconds since the epoch. What was lost is served before what waits: it
    has waited longer. Two keepers at once do no harm.
    """
    due = _due(connection, now)
    if not due:
        return []
    held = queue.queued_items(queue.open_item_queues(connection))
    held |= queue.queued_for_fetch(connection, due)
    lost = [item_id for item_id in due if item_id not in held]
    entries = _entries(connection, lost)
    later = dict.fromkeys(due, now + VISIBILITY_TIMEOUT_S)
    with connection.pipeline(transaction=True) as pipe:
        pipe.multi()
        pipe.zadd(IN_FLIGHT, later, xx=True, gt=True)
        queue.enqueue(connection, entries, front=True)(pipe)
        pipe.execute()
    if lost:
        logger.info(event_line("items queued again", items=len(lost), first=lost[0]))
    return lost


def bring_forward(connection: redis.Redis, now: float) -> list[str]:
    """Make items due whose lease ends later than any lease can; return their ids.

    A process whose clock ran ahead had them. Items that wait for their next attempt are
    left alone. `now` is in seconds since the epoch.
    """
    store: Any = connection
    latest = now + 2 * VISIBILITY_TIMEOUT_S
    found = store.zrevrangebyscore(IN_FLIGHT, "+inf", latest, start=0, num=DUE_LAST)
    ids = [item_id.decode() for item_id in found]
    histories = EventLog(connection).histories(ids)
    leased = [
        item_id
        for item_id, history in zip(ids, histories, strict=True)
        if items.fold_all(item_id, history).state is not State.WAITING
    ]
    if leased:
        store.zadd(IN_FLIGHT, dict.fromkeys(leased, now), xx=True)
        logger.warning(event_line("leases of a clock ahead ended", items=len(leased)))
    return leased


def _due(connection: redis.Redis, now: float) -> list[str]:
    store: Any = connection
    found = store.zrangebyscore(IN_FLIGHT, "-inf", now, start=0, num=LOOKS)
    return [item_id.decode() for item_id in found]


def _entries(connection: redis.Redis, lost: Sequence[str]) -> list[QueueEntry]:
    """Return queue entries: for a worker if the page is there or none is needed."""
    entries = []
    log = EventLog(connection)
    for some in queue.batches(lost, queue.SCAN):
        for item_id, history in zip(some, log.histories(some), strict=True):
            item = items.fold_all(item_id, history)
            entry = QueueEntry.of(item, asked_ms=history[0].time_ms if history else 0)
            if entry.needs_fetch and handover.page_record(connection, item):
                entry = QueueEntry(
                    id=entry.id, submitter=entry.submitter, needs_fetch=False
                )
            entries.append(entry)
    return entries
