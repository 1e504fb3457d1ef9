"""Remove leftovers of crashes from the store: records of items that have ended, jobs
that lost their worker, and RQ's registries of jobs that failed, with their results."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import redis
from rq import Queue
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry

from incidentwire import queue
from incidentwire.log.event_log import IN_FLIGHT
from services.classifier.fetching.handover import REFRESHED
from services.classifier.recorder import STARTED

HASHES = (queue.FETCHED, REFRESHED, STARTED)
JOBS = "rq:job:*"
SCAN = 1000  # entries per step and hash
JOB_AGE_S = 3600.0  # a younger one may have been taken just now
REGISTRIES = (FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry)


class Sweep:
    """Goes round the hashes and the jobs, some entries a step."""

    def __init__(self, connection: redis.Redis) -> None:
        self.connection = connection
        self._cursors = dict.fromkeys((*HASHES, JOBS), 0)

    def run(self, now: float) -> bool:
        """Do one step; return whether the round has more steps.

        `now` is in seconds since the epoch.
        """
        for name in HASHES:
            self._cursors[name] = self._sweep_hash(name, self._cursors[name])
        self._cursors[JOBS] = self._sweep_jobs(self._cursors[JOBS], now)
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

    def _sweep_jobs(self, cursor: int, now: float) -> int:
        """Delete old jobs that no queue names: their worker died when it took them. The
        keeper has queued their items in other jobs."""
        store: Any = self.connection
        cursor, keys = store.scan(cursor, match=JOBS, count=SCAN)
        with store.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hget(key, "created_at")
            ages = [now - _seconds(created) for created in pipe.execute()]
        old = {key for key, age in zip(keys, ages, strict=True) if age > JOB_AGE_S}
        if old:
            for work in queue.open_item_queues(self.connection):
                old -= {Job.key_for(name).encode() for name in work.get_job_ids()}
        if old:
            store.delete(*old)
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


def _seconds(created: bytes | None) -> float:
    if created is None:
        return 0.0
    return datetime.fromisoformat(created.decode()).timestamp()
