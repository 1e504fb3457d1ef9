"""The process classifier-keeper: `python -m services.classifier.keeper`. It sees to it that every item comes to an end.

The log's append script keeps, for each item in flight, the time at which somebody should look at it: soon after it was
asked for, at its next attempt where it waits, and moved on by the worker that has it (lease.py). The keeper looks when
the time has come: an item that no job holds is queued again. So a waiting item needs no scheduler, a lost job no
registry, and two keepers do no harm. It has chores too (keeping/chores.py): retention, and a look at whether
everything is still there.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import redis

from incidentwire import queue
from incidentwire.lifecycle import shutdown_event, touch_heartbeat
from incidentwire.log.event_log import IN_FLIGHT, VISIBILITY_TIMEOUT_S
from incidentwire.settings import from_env
from incidentwire.store import connect_when_ready
from incidentwire.telemetry import configure_logging, event_line
from services.classifier.keeping.periodic import periodic_tasks

PERIOD_S = 1.0
AT_ONCE = 5000  # items looked at per round, so that a round stays short

logger = logging.getLogger(__name__)


def main() -> None:
    """Look after the items in flight until SIGTERM."""
    settings = from_env()
    configure_logging(settings.log_level, "classifier-keeper")
    connection = connect_when_ready(settings.redis_url)
    stopped, beside = shutdown_event(), periodic_tasks(settings, connection)
    logger.info("keeper ready")
    while not stopped.wait(PERIOD_S):
        touch_heartbeat(settings.heartbeat_file)
        try:
            requeue_expired(connection, settings.batch_items, time.time())
            for chore in beside:
                chore.run(time.time())
        except redis.exceptions.ConnectionError as error:
            logger.error(event_line("store unreachable", error=str(error)))


def requeue_expired(connection: redis.Redis, batch_items: int, now: float) -> list[str]:
    """One round: queue the items whose time has come and that no job holds; returns their ids."""
    store: Any = connection
    due = [
        _text(i)
        for i in store.zrangebyscore(IN_FLIGHT, "-inf", now, start=0, num=AT_ONCE)
    ]
    if not due:
        return []
    held = queue.queued_items(queue.open_item_queues(connection))
    lost = [item for item in due if item not in held]
    with connection.pipeline(transaction=True) as pipe:
        pipe.multi()
        pipe.zadd(
            IN_FLIGHT, dict.fromkeys(due, now + VISIBILITY_TIMEOUT_S), xx=True, gt=True
        )
        again = queue.open_queue(queue.CLASSIFY, connection)
        queue.jobs_for(again, queue.WORK_ON_ITEMS, queue.batches(lost, batch_items))(
            pipe
        )
        pipe.execute()
    if lost:
        logger.info(event_line("items queued again", items=len(lost), first=lost[0]))
    return lost


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


if __name__ == "__main__":
    main()
