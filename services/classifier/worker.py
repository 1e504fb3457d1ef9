"""The process classifier-worker: `python -m services.classifier.worker`.

An RQ worker that runs one function, ours, whatever a job names: who can write the queue
must not be able to run other code. It works in this process; strangers' bytes go to the
sandbox, which is forked after the model is loaded.
"""

from __future__ import annotations

import logging
import os
import re
from threading import Event
from time import monotonic
from types import FrameType
from typing import Any

from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from incidentwire import queue
from incidentwire.lifecycle import (
    Backoff,
    outage_reason,
    run_until_shutdown,
    touch_heartbeat,
)
from incidentwire.settings import from_env
from incidentwire.store import connect_when_ready
from incidentwire.telemetry import configure_logging, event_line
from services.classifier.analysis import warm_up
from services.classifier.jobs import WorkerContext, work
from services.classifier.labelling.classifier import Classifier

WORKER_TTL_S = 60
PREFETCH_JOBS = 16  # jobs of one item each that are taken along at once
MAX_ITEMS = 1_000  # of one job; settings.batch_items allows no more
PAUSE_S = 1.0  # before RQ's loop is started again
BEAT_S = 5.0  # between two heartbeats
STOP_CHECK_S = 1  # between two looks at whether to stop, while no job waits

ITEM_ID = re.compile(r"i_[a-z0-9]{8,80}")

logger = logging.getLogger(__name__)


def main() -> None:
    """Work until SIGTERM; the item in work is finished first, or given back."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # workers scale by process
    settings = from_env()
    configure_logging(settings.log_level, "classifier-worker")
    classifier = Classifier.load()
    warm_up(classifier)
    connection = connect_when_ready(settings.redis_url)
    context = WorkerContext.of(settings, connection, classifier)
    context.analyzer.sandbox.start()
    logger.info(event_line("worker ready", model=classifier.version))
    run(context)
    context.analyzer.sandbox.close()


def run(context: WorkerContext) -> None:
    """Work until asked to stop. RQ's loop ends on outages of the store other than lost
    connections; it is started again."""
    stop = Event()
    run_until_shutdown(
        lambda: make_worker(context, stop).work(logging_level="WARNING"),
        stop,
        pause_s=PAUSE_S,
    )


class ItemWorker(SimpleWorker):
    """An RQ worker for jobs that name items. Make it with `make_worker`."""

    def __init__(self, context: WorkerContext, stop: Event) -> None:
        self.context = context
        self.stop = stop
        self._backoff = Backoff()
        self._beat_at = 0.0  # on monotonic()
        connection = context.log.connection
        super().__init__(
            queue.open_item_queues(connection),
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL_S,
            log_job_description=False,
        )

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Work on the items of the job, and of single-item jobs queued after it.

        The job is deleted first: from here on its items are found by their leases. A
        job that is not ours is dropped; nothing that it names is imported.
        """
        ids = valid_ids(job)
        self.connection.delete(job.key)
        self.set_state(WorkerStatus.BUSY)
        if not ids:
            logger.error(event_line("job dropped", job_id=job.id[:64]))
            return
        if len(ids) == 1:
            ids += prefetch(queue)
        try:
            work(self.context, ids, self._beat)
        except Exception as error:
            reason = outage_reason(error)
            if reason is None:
                raise
            wait_s = self._backoff.wait_s(monotonic())
            logger.warning(event_line("waiting", reason=reason, wait_s=wait_s))
            self.stop.wait(wait_s)

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Wait for a job. Raises StopRequested after SIGTERM.

        RQ stops from its signal handler: a signal between its check and its wait is
        forgotten, and one right after a job was taken loses the job until its lease
        ends. So the handler only sets a flag, which is looked at each second.
        """
        if timeout is None:  # burst: it ends by itself
            return super().dequeue_job_and_maintain_ttl(None, max_idle_time)
        while not self.stop.is_set():
            found = super().dequeue_job_and_maintain_ttl(STOP_CHECK_S, STOP_CHECK_S)
            if found is not None:
                return found
        raise StopRequested

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Stop after the item in work (SIGTERM, SIGINT)."""
        self.stop.set()
        self._stop_requested = True

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """Ignore a second SIGTERM: the end is bounded already."""

    def heartbeat(self, *args: Any, **kwargs: Any) -> None:
        """Tell RQ, and the container's health check, that this worker is alive.

        RQ calls it four times a job, which would cost more than the rest of its
        bookkeeping.
        """
        if monotonic() < self._beat_at:
            return
        self._beat_at = monotonic() + BEAT_S
        super().heartbeat(*args, **kwargs)
        touch_heartbeat(self.context.settings.heartbeat_file)

    def _beat(self) -> bool:
        """Keep the heartbeat going during a long job; return whether to stop."""
        self.heartbeat()
        return self.stop.is_set()


def make_worker(context: WorkerContext, stop: Event | None = None) -> ItemWorker:
    """Return a worker for the item queues, single submissions first."""
    return ItemWorker(context, stop or Event())


def valid_ids(job: Job) -> list[str]:
    """Return the item ids of a job; [] unless it is one that this project makes."""
    ids = queue.item_ids(job)
    if len(ids) > MAX_ITEMS or not all(ITEM_ID.fullmatch(i) for i in ids):
        return []
    return ids


def prefetch(waiting: Queue, most: int = PREFETCH_JOBS) -> list[str]:
    """Take up to `most` waiting jobs of one item each, at most half of those that wait:
    other workers want some too. Return their items.

    RQ's bookkeeping costs as much as an item. The jobs are taken out of the queue; if
    this process dies, the keeper finds their items.
    """
    store: Any = waiting.connection
    count = min(most, store.llen(waiting.key) // 2)
    if not count:
        return []
    job_ids = [job_id.decode() for job_id in store.lrange(waiting.key, 0, count - 1)]
    jobs = Job.fetch_many(job_ids, connection=store, serializer=JSONSerializer)
    single: list[Job] = []
    for job in jobs:
        if job is None or len(valid_ids(job)) != 1:
            break
        single.append(job)
    with store.pipeline(transaction=False) as pipe:
        for job in single:
            pipe.lrem(waiting.key, 1, job.id)
        removed = pipe.execute()
    # A job that another worker took meanwhile is not removed here.
    taken = [job for job, ours in zip(single, removed, strict=True) if ours]
    if taken:
        store.delete(*(job.key for job in taken))
    return [item_id for job in taken for item_id in valid_ids(job)]


if __name__ == "__main__":
    main()
