"""The process classifier-worker: `python -m services.classifier.worker`. An RQ worker with a fork per job.

The model is loaded before the first fork. A job whose work horse died is split until the item that kills it stands
alone; that item's crashes count as failed attempts, and so it comes to an end too.
"""

from __future__ import annotations

import logging
import os
from resource import struct_rusage
from typing import Any

from rq import Queue, Worker
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

from incidentwire import items, queue
from incidentwire.lifecycle import touch_heartbeat
from incidentwire.queue import CLASSIFY_FIRST
from incidentwire.telemetry import configure_logging, event_line
from services.classifier import jobs
from services.classifier.fetching.result import FetchFailure

WORKER_TTL_S = 60
PREFETCH_JOBS = (
    16  # jobs; they are worked on one after the other, their pages fetched together
)
MONITOR_S = 10  # how often the parent looks after its horse

logger = logging.getLogger(__name__)


def main() -> None:
    """Work until SIGTERM; the job under way is finished first."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # workers are scaled by process
    place = jobs.worker_context()
    configure_logging(place.settings.log_level, "classifier-worker")
    jobs.warm_up(place)
    logger.info(event_line("worker ready", model=place.classifier.version))
    make_worker(queue.open_item_queues(place.log.connection)).work(
        logging_level="WARNING"
    )


class BatchingWorker(Worker):
    """An RQ worker whose horse takes waiting neighbours along: a fork and RQ's bookkeeping cost as much as an item, so
    that jobs of one item each would spend half the time on them. Its heartbeats show in the container's health check.
    """

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """In the horse. What was taken along becomes part of the job, so that a crash is split like any other. Jobs of
        bulk submissions hold many items already, and take nobody along: a job has to end within its timeout."""
        taken = prefetch(queue) if queue.name == CLASSIFY_FIRST else []
        if taken:
            job.args = ([*job.args[0], *taken],)
            job.save(include_meta=False)
        return bool(super().perform_job(job, queue, execution))

    def heartbeat(self, *args: Any, **kwargs: Any) -> None:
        super().heartbeat(*args, **kwargs)
        touch_heartbeat(jobs.worker_context().settings.heartbeat_file)


def make_worker(queues: list[Queue]) -> Worker:
    """The RQ worker for these queues, the first of which goes first."""
    return BatchingWorker(
        queues,
        connection=queues[0].connection,
        serializer=JSONSerializer,
        worker_ttl=WORKER_TTL_S,
        job_monitoring_interval=MONITOR_S,
        work_horse_killed_handler=_after_a_crash,
        log_job_description=False,
    )


def prefetch(waiting: Queue, most: int = PREFETCH_JOBS) -> list[str]:
    """The items of up to `most` waiting jobs, and no more than half of them: other workers want some too. The jobs are
    taken out of the queue; should this process die, the keeper finds their items by their leases."""
    store: Any = waiting.connection
    count = min(most, store.llen(waiting.key) // 2)
    job_ids = (
        [job_id.decode() for job_id in store.lpop(waiting.key, count) or []]
        if count
        else []
    )
    found = [
        job
        for job in Job.fetch_many(job_ids, connection=store, serializer=JSONSerializer)
        if job is not None
    ]
    for job in found:
        job.delete()
    return [item for job in found for item in job.args[0]]


def _after_a_crash(job: Job, pid: int, status: int, usage: struct_rusage) -> None:
    """Called in the parent when the horse died (segmentation fault, out of memory, kill -9)."""
    job.refresh()  # type: ignore[no-untyped-call]  # the horse may have taken more along
    ids: list[str] = job.args[0]
    logger.error(
        event_line("work horse died", job_id=job.id, items=len(ids), wait_status=status)
    )
    if len(ids) > 1:
        _split(ids)
    else:
        _count_crash(ids[0])


def _split(ids: list[str]) -> None:
    middle = len(ids) // 2
    again = queue.open_queue(queue.CLASSIFY, jobs.worker_context().log.connection)
    with again.connection.pipeline(transaction=True) as pipe:
        pipe.multi()
        queue.jobs_for(again, queue.WORK_ON_ITEMS, [ids[:middle], ids[middle:]])(pipe)
        pipe.execute()


def _count_crash(item_id: str) -> None:
    place = jobs.worker_context()
    item = items.fold_all(item_id, place.log.history(item_id))
    if item.version and not item.ended:
        jobs.record(
            place,
            item,
            [jobs.failed(place, item, FetchFailure(reason="crashed", retryable=True))],
        )


if __name__ == "__main__":
    main()
