"""The queue: RQ on the same Redis as the log, so that an event and its job commit together.

Jobs carry item ids and nothing else; what is to be done is read from the log. So a job may run twice, late, or for an
item that has ended, and does no harm. Messages are JSON, never pickle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import redis
from redis.client import Pipeline
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

CLASSIFY = "classify"  # bulk submissions and what the keeper puts back
CLASSIFY_FIRST = "classify_first"  # single submissions: somebody waits for them
DELIVER = "deliver"
HOUSEKEEPING = "housekeeping"

WORK_ON_ITEMS = "services.classifier.jobs.work_on_items"
JOB_TIMEOUT_S = 900
FAILURE_TTL_S = 86_400
SCAN = 500  # jobs read per round trip


def open_queue(name: str, connection: redis.Redis) -> Queue:
    """A queue on a connection that does not decode responses (RQ needs bytes)."""
    return Queue(
        name,
        connection=connection,
        serializer=JSONSerializer,
        default_timeout=JOB_TIMEOUT_S,
    )


def jobs_for(
    queue: Queue, function: str, batches: Sequence[Sequence[str]]
) -> Callable[[Pipeline], None]:
    """What `log.append(…, in_same_transaction=…)` takes: adds one job per batch of ids to the same MULTI/EXEC."""

    def enqueue(pipe: Pipeline) -> None:
        for batch in batches:
            job = queue.create_job(
                function,
                args=(list(batch),),
                result_ttl=0,
                failure_ttl=FAILURE_TTL_S,
                description="",
            )
            queue.enqueue_job(job, pipeline=pipe)

    return enqueue


def open_item_queues(connection: redis.Redis) -> list[Queue]:
    """The queues that hold items' jobs, the one that is served first in front."""
    return [open_queue(name, connection) for name in (CLASSIFY_FIRST, CLASSIFY)]


def queued_items(queues: Sequence[Queue]) -> set[str]:
    """The ids that a queued job holds. What a worker has taken is not among them: it holds a lease."""
    items: set[str] = set()
    for queue in queues:
        for job_ids in batches(queue.get_job_ids(), SCAN):
            for job in Job.fetch_many(
                job_ids, connection=queue.connection, serializer=JSONSerializer
            ):
                if job is not None:
                    items.update(cast("list[str]", job.args[0]))
    return items


def batches(ids: Sequence[str], size: int) -> list[Sequence[str]]:
    """The ids in order, `size` at a time."""
    return [ids[start : start + size] for start in range(0, len(ids), size)]
