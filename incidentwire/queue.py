"""The two queues of items in flight, on the same Redis as the log.

An event and its queue entry commit in one transaction. Both queues name item ids and
nothing else; what is to be done is read from the log. So an entry may be served twice,
late, or for an item that has ended, and does no harm.

- The fetch queue: pages to fetch. One sorted set for each submitting key, so that the
  fetcher can serve keys in turn. An entry is removed when its fetch starts.
- The work queue: RQ jobs for texts, and for pages that the fetcher has archived.
  Messages are JSON, never pickle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import redis
from redis.client import Pipeline
from rq import Queue
from rq.exceptions import DeserializationError
from rq.job import Job
from rq.serializers import JSONSerializer

from incidentwire.items import Item, State

CLASSIFY = "classify"  # bulk submissions
CLASSIFY_FIRST = "classify_first"  # single submissions, and what lost its worker
WORK_ON_ITEMS = "services.classifier.jobs.work_on_items"  # the only function of a job

FETCH = "iw:fetch:"  # + key name: sorted set, item id -> order
FETCH_KEYS = "iw:fetch_keys"  # set of the key names
FETCH_BELL = "iw:fetch_bell"  # list: an element wakes the fetcher
FETCHED = "iw:fetched"  # hash: item id -> page that waits for a worker (JSON)

BULK = 10**13  # added to the order of bulk entries; times in ms stay below until 2286
JOB_TIMEOUT_S = 900
JOB_TTL_S = 7 * 86_400  # a lost job's hash goes by itself; the keeper finds its items
MAX_BELLS = 1
SCAN = 500  # jobs read per round trip


@dataclass(frozen=True, kw_only=True)
class QueueEntry:
    """An item to queue. `submitter` is the API key that asked, or `feed:<id>`;
    `asked_ms` is the time of the request, now by default."""

    id: str
    submitter: str
    needs_fetch: bool
    asked_ms: int | None = None

    @classmethod
    def of(cls, item: Item, asked_ms: int | None = None) -> QueueEntry:
        """Return the entry for an item as its events have it."""
        return cls(
            id=item.id,
            submitter=item.via,
            needs_fetch=item.pending == "fetch",
            asked_ms=asked_ms,
        )

    @property
    def fetch_key(self) -> str:
        """The sorted set of the fetch queue. All feeds share one."""
        return FETCH + self.submitter.partition(":")[0]


def enqueue(
    connection: redis.Redis,
    entries: Sequence[QueueEntry],
    *,
    batch_items: int = 1,
    bulk: bool = False,
    front: bool = False,
) -> Callable[[Pipeline], None]:
    """Return what `log.append(…, in_same_transaction=…)` takes: it queues the entries.

    `bulk` entries are served after single ones of the same key. `front` puts work
    before all other work.
    """
    pages = [entry for entry in entries if entry.needs_fetch]
    texts = [entry.id for entry in entries if not entry.needs_fetch]
    work = open_queue(CLASSIFY if bulk else CLASSIFY_FIRST, connection)

    def add(pipe: Pipeline) -> None:
        _add_pages(pipe, pages, bulk=bulk)
        jobs_for(work, WORK_ON_ITEMS, batches(texts, batch_items), front=front)(pipe)

    return add


def enqueue_now(
    connection: redis.Redis, entries: Sequence[QueueEntry], **options: Any
) -> None:
    """Queue the entries in a transaction of their own."""
    with connection.pipeline(transaction=True) as pipe:
        pipe.multi()
        enqueue(connection, entries, **options)(pipe)
        pipe.execute()


def _add_pages(pipe: Pipeline, pages: Sequence[QueueEntry], *, bulk: bool) -> None:
    if not pages:
        return
    now_ms = int(time.time() * 1000)
    by_key: dict[str, dict[str, int]] = {}
    for entry in pages:
        asked_ms = now_ms if entry.asked_ms is None else entry.asked_ms
        order = asked_ms + (BULK if bulk else 0)
        by_key.setdefault(entry.fetch_key, {})[entry.id] = order
    for key, orders in by_key.items():
        pipe.zadd(key, cast("Any", orders), lt=True)
    pipe.sadd(FETCH_KEYS, *by_key)
    pipe.lpush(FETCH_BELL, "1")
    pipe.ltrim(FETCH_BELL, 0, MAX_BELLS - 1)


# -- the work queue ----------------------------------------------------------------


def open_queue(name: str, connection: redis.Redis) -> Queue:
    """Return a queue; `connection` must not decode responses (RQ needs bytes)."""
    return Queue(
        name,
        connection=connection,
        serializer=JSONSerializer,
        default_timeout=JOB_TIMEOUT_S,
    )


def jobs_for(
    queue: Queue,
    function: str,
    batches: Sequence[Sequence[str]],
    *,
    front: bool = False,
) -> Callable[[Pipeline], None]:
    """Return a function that adds one job per batch of ids to a transaction."""

    def add(pipe: Pipeline) -> None:
        for batch in batches:
            job = queue.create_job(
                function,
                args=(list(batch),),
                ttl=JOB_TTL_S,
                result_ttl=0,
                failure_ttl=0,
                description="",
            )
            queue.enqueue_job(job, pipeline=pipe, at_front=front)

    return add


def open_item_queues(connection: redis.Redis) -> list[Queue]:
    """Return the work queues, the one that is served first in front."""
    return [open_queue(name, connection) for name in (CLASSIFY_FIRST, CLASSIFY)]


def queued_items(queues: Sequence[Queue]) -> set[str]:
    """Return the ids that queued jobs name. Items that a worker has taken are not
    among them: those are leased."""
    found: set[str] = set()
    for queue in queues:
        for job_ids in batches(queue.get_job_ids(), SCAN):
            for job in Job.fetch_many(
                job_ids, connection=queue.connection, serializer=JSONSerializer
            ):
                if job is not None:
                    found.update(item_ids(job))
    return found


def item_ids(job: Job) -> list[str]:
    """Return the item ids of a job; [] for a job that is not ours."""
    try:
        if job.func_name != WORK_ON_ITEMS or job.kwargs or len(job.args) != 1:
            return []
        ids = job.args[0]
    except (DeserializationError, TypeError, ValueError):
        return []
    if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
        return []
    return ids


# -- the fetch queue ---------------------------------------------------------------


def fetch_keys(connection: redis.Redis) -> list[str]:
    """Return the sorted sets of the fetch queue, in a stable order."""
    names = cast("set[bytes]", connection.smembers(FETCH_KEYS))
    return sorted(name.decode() for name in names)


def waiting_pages(
    connection: redis.Redis, most_per_key: int
) -> Mapping[str, list[tuple[str, int]]]:
    """Return the first entries of each sorted set: (item id, order)."""
    keys = fetch_keys(connection)
    with connection.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.zrange(key, 0, most_per_key - 1, withscores=True)
        rows = pipe.execute()
    return {
        key: [(item.decode(), int(order)) for item, order in row]
        for key, row in zip(keys, rows, strict=True)
        if row
    }


def queued_for_fetch(connection: redis.Redis, ids: Sequence[str]) -> set[str]:
    """Return those of `ids` that are in the fetch queue."""
    if not ids:
        return set()
    with connection.pipeline(transaction=False) as pipe:
        for key in fetch_keys(connection):
            pipe.zmscore(key, list(ids))
        rows = cast("list[list[float | None]]", pipe.execute())
    return {
        item
        for row in rows
        for item, order in zip(ids, row, strict=True)
        if order is not None
    }


def stage(connection: redis.Redis, item: Item) -> str | None:
    """Return how far an item in flight has come: `fetching` (its page is fetched, or
    queued for it), `waiting` (for its next attempt) or `working`; None if it ended."""
    if item.ended:
        return None
    if item.state is State.WAITING:
        return "waiting"
    if item.pending == "fetch" and not connection.hexists(FETCHED, item.id):
        return "fetching"
    return "working"


def batches(ids: Iterable[str], size: int) -> list[Sequence[str]]:
    """Return the ids in order, `size` at a time."""
    rows = list(ids)
    return [rows[start : start + size] for start in range(0, len(rows), size)]
