"""Remove leftovers of crashes from the store: records of items that have ended, and
RQ's registries of jobs that failed or were abandoned, with their results."""

from __future__ import annotations

from typing import Any

import redis
from rq import Queue
from rq.registry import FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry

from incidentwire import queue
from incidentwire.log.event_log import IN_FLIGHT
from services.classifier.fetching.handover import REFRESHED
from services.classifier.recorder import STARTED

HASHES = (queue.FETCHED, REFRESHED, STARTED)
SCAN = 1000  # entries per step and hash
REGISTRIES = (FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry)


class Sweep:
    """Goes round the hashes, some entries a step."""

    def __init__(self, connection: redis.Redis) -> None:
        self.connection = connection
        self._cursors = dict.fromkeys(HASHES, 0)

    def run(self, now: float) -> bool:
        """Do one step; return whether the round has more steps. `now` is not used."""
        for name in HASHES:
            self._cursors[name] = self._sweep_hash(name, self._cursors[name])
        for work in queue.open_item_queues(self.connection):
            self._sweep_registries(work)
        return any(self._cursors.values())

    def _sweep_hash(self, name: str, cursor: int) -> int:
        store: Any = self.connection
        cursor, entries = store.hscan(name, cursor, count=SCAN)
        ids = [item_id.decode() for item_id in entries]
        if not ids:
            return int(cursor)
        places = store.zmscore(IN_FLIGHT, ids)
        ended = [i for i, due in zip(ids, places, strict=True) if due is None]
        if ended:
            store.hdel(name, *ended)
        return int(cursor)

    def _sweep_registries(self, work: Queue) -> None:
        """Delete the jobs that RQ's registries hold: no worker of this version adds any,
        earlier ones kept tracebacks there."""
        store: Any = self.connection
        for registry_class in REGISTRIES:
            registry = registry_class(queue=work)
            ids = [name.decode() for name in store.zrange(registry.key, 0, SCAN - 1)]
            if not ids:
                continue
            jobs = [name.partition(":")[0] for name in ids]  # of "<job>:<execution>"
            store.zrem(registry.key, *ids)
            store.delete(
                *(f"rq:job:{job}" for job in jobs),
                *(f"rq:results:{job}" for job in jobs),
            )
