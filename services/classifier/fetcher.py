"""The process classifier-fetcher: `python -m services.classifier.fetcher`.

It fetches pages, hundreds at a time, a thread for each, puts them into the archive and
hands them to the workers, who never wait for the network. What waits stays in the fetch
queue; a fetch is taken out of it when it starts, and is leased until it ends. So a
`kill -9` loses at most the lease's time, and several fetchers share one queue.
docs/decisions/0009 has the reasons.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import redis

from incidentwire import items, queue
from incidentwire.archive import Archive
from incidentwire.events import ItemRejected
from incidentwire.lifecycle import outage_reason, run_until_shutdown, shutdown_event
from incidentwire.log.event_log import EventLog
from incidentwire.net.client import HttpClient
from incidentwire.net.rate_limit import HostBusy, HostRateLimiter, host_of
from incidentwire.queue import QueueEntry
from incidentwire.settings import Settings, from_env
from incidentwire.store import connect_when_ready
from incidentwire.telemetry import configure_logging, event_line
from services.classifier.fetching import handover
from services.classifier.fetching.fetch_order import Fetch, FetchSchedule
from services.classifier.fetching.result import FetchedPage, FetchFailure
from services.classifier.fetching.robots import Robots, RobotsRules
from services.classifier.fetching.visit import HeldSlots, PageVisitor
from services.classifier.lease import RENEW_S, extend
from services.classifier.recorder import OutcomeRecorder, is_due, utc_now

LOOKAHEAD = 20_000  # waiting pages that are indexed in memory, some 400 bytes each
LOOKAHEAD_PER_KEY = 200  # at least, however many keys there are
REFILL_S = 5.0  # between two looks at the fetch queue if nothing rings
REFILL_PAUSE = 4.0  # times the duration of a look at the queue, before the next one
KEY_SHARE = 0.75  # of all fetches at once that one key may have, and its bulk of those
LARGE_PAGES = 8  # pages over body.LARGE_BYTES in memory at once
STOP_S = 3.0  # time that fetches under way have to end on SIGTERM
STORE_PAUSE_S = 2.0  # after an error of store or archive
HISTORIES = 500  # items read per round trip

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FetcherContext:
    """What a fetcher needs, made once per process."""

    settings: Settings
    connection: redis.Redis
    log: EventLog
    archive: Archive
    visitor: PageVisitor
    recorder: OutcomeRecorder

    @classmethod
    def of(
        cls,
        settings: Settings,
        connection: redis.Redis,
        rules: RobotsRules,
        client: HttpClient | None = None,
    ) -> FetcherContext:
        """Build it on a connection that does not decode responses."""
        log = EventLog(connection)
        archive = Archive(settings.archive)
        client = client or HttpClient.of(settings, large_bodies=LARGE_PAGES)
        return cls(
            settings=settings,
            connection=connection,
            log=log,
            archive=archive,
            visitor=PageVisitor(
                client=client,
                robots=Robots(connection, client, rules),
                limiter=HostRateLimiter.of(settings, connection),
                now=utc_now,
            ),
            recorder=OutcomeRecorder(settings=settings, log=log, archive=archive),
        )


@dataclass(frozen=True, kw_only=True)
class _Ended:
    """The end of a fetch's thread; `again` is the fetch to put back, if any."""

    fetch: Fetch
    again: Fetch | None = None
    outage: str = ""  # of store or archive: the lease runs out, the keeper queues it


class Fetcher:
    """Keeps as many fetches under way as the settings allow, in fair turns."""

    def __init__(self, context: FetcherContext) -> None:
        self.context = context
        self.schedule = FetchSchedule()
        self.running: dict[str, Fetch] = {}
        self.wake = threading.Event()
        self._ended: SimpleQueue[_Ended] = SimpleQueue()
        self._per_key: Counter[tuple[str, bool]] = Counter()
        self._refill_at = 0.0
        self._next_refill = 0.0  # not earlier than this, however often the bell rings
        self._renew_at = 0.0
        self._paused_until = 0.0

    def run(self, stopped: threading.Event) -> None:
        """Fetch until `stopped` is set; then give back what is under way."""
        bell = threading.Thread(target=self._listen, args=(stopped,), daemon=True)
        bell.start()
        heartbeat_file = self.context.settings.heartbeat_file
        run_until_shutdown(self._turn, stopped, heartbeat_file=heartbeat_file)
        self.give_back()
        bell.join()

    def drain(self) -> None:
        """Fetch everything that may be fetched now, and return."""
        self._refill_at = 0.0
        wait_s = self.step()
        while self.running or len(self.schedule):
            self.wake.wait(wait_s)
            self.wake.clear()
            wait_s = self.step()

    def _turn(self) -> None:
        self.wake.wait(self.step())
        self.wake.clear()

    def step(self) -> float:
        """Do what can be done now. Return the seconds until there is more to do, at
        most: the event `wake` is set earlier if a fetch ends or the bell rings."""
        now = time.monotonic()
        self._collect(now)
        if now < self._paused_until:
            return self._paused_until - now
        if now >= self._refill_at:
            self._refill()
        self._start_ready(now)
        if now >= self._renew_at:
            extend(self.context.connection, self.running)
            self._renew_at = now + RENEW_S
        waits = [1.0, max(self._refill_at - now, 0.0)]
        awake_in = self.schedule.next_wake(now)
        if awake_in is not None:
            waits.append(awake_in)
        return min(waits)

    def give_back(self) -> None:
        """Wait a moment for the fetches under way, and queue the others again."""
        deadline = time.monotonic() + STOP_S
        while self.running and time.monotonic() < deadline:
            self.wake.wait(0.1)
            self.wake.clear()
            self._collect(time.monotonic())
        if self.running:
            self._queue_again(list(self.running.values()))
            logger.info(event_line("fetches given back", items=len(self.running)))

    # -- the index of what waits ---------------------------------------------------

    def _listen(self, stopped: threading.Event) -> None:
        connection = self.context.connection
        while not stopped.is_set():
            try:
                rings = connection.blpop([queue.FETCH_BELL], timeout=1)
            except redis.exceptions.RedisError:
                stopped.wait(STORE_PAUSE_S)
                continue
            if rings:
                self._refill_at = min(self._refill_at, self._next_refill)
                self.wake.set()

    def _refill(self) -> None:
        began = time.monotonic()
        connection = self.context.connection
        keys = len(queue.fetch_keys(connection)) or 1
        most = max(LOOKAHEAD_PER_KEY, LOOKAHEAD // keys)
        for key, entries in queue.waiting_pages(connection, most).items():
            new = [
                (item_id, order)
                for item_id, order in entries
                if item_id not in self.schedule and item_id not in self.running
            ]
            for start in range(0, len(new), HISTORIES):
                self._index(key, dict(new[start : start + HISTORIES]))
        ended = time.monotonic()
        self._next_refill = ended + REFILL_PAUSE * (ended - began)
        self._refill_at = ended + REFILL_S

    def _index(self, key: str, orders: dict[str, int]) -> None:
        ids = list(orders)
        histories = self.context.log.histories(ids)
        found = [
            items.fold_all(item_id, history)
            for item_id, history in zip(ids, histories, strict=True)
        ]
        targets = handover.addresses(self.context.connection, found)
        for item, target in zip(found, targets, strict=True):
            if item.pending != "fetch" or not is_due(item, utc_now()):
                self.context.connection.zrem(key, item.id)
                continue
            self.schedule.add(
                Fetch(
                    id=item.id,
                    key=key,
                    host=host_of(target.url),
                    order=orders[item.id],
                    bulk=orders[item.id] >= queue.BULK,
                )
            )

    # -- starting and ending fetches -----------------------------------------------

    def _may_start(self, key: str, bulk: bool) -> bool:
        most = int(self.context.settings.fetch_threads * KEY_SHARE) or 1
        of_key = self._per_key[key, False] + self._per_key[key, True]
        if of_key >= most:
            return False
        return not bulk or self._per_key[key, True] < (int(most * KEY_SHARE) or 1)

    def _start_ready(self, now: float) -> None:
        limiter = self.context.visitor.limiter
        while len(self.running) < self.context.settings.fetch_threads:
            fetch = self.schedule.next(now, self._may_start)
            if fetch is None:
                return
            token, wait_s = limiter.acquire(fetch.host)
            if not token:
                self.schedule.add(fetch)
                self.schedule.rest(fetch.host, now + wait_s)
                continue
            slots = HeldSlots(limiter=limiter, held={fetch.host: token})
            if not self._claim(fetch):
                slots.release()
                continue
            self.running[fetch.id] = fetch
            self._per_key[fetch.key, fetch.bulk] += 1
            threading.Thread(
                target=self._run, args=(fetch, slots), daemon=True, name=fetch.id
            ).start()

    def _claim(self, fetch: Fetch) -> bool:
        """Take the fetch out of the queue, leased. False if another fetcher has it."""
        with self.context.connection.pipeline(transaction=True) as pipe:
            pipe.zrem(fetch.key, fetch.id)
            extend(pipe, [fetch.id])
            taken: int = pipe.execute()[0]
        return taken == 1

    def _collect(self, now: float) -> None:
        again: list[Fetch] = []
        while True:
            try:
                ended = self._ended.get_nowait()
            except Empty:
                break
            del self.running[ended.fetch.id]
            self._per_key[ended.fetch.key, ended.fetch.bulk] -= 1
            if ended.again is not None:
                again.append(ended.again)
            if ended.outage:
                self._paused_until = now + STORE_PAUSE_S
                logger.warning(event_line("waiting", reason=ended.outage))
        for fetch in again:
            self.schedule.add(fetch)
        self._queue_again(again)

    def _queue_again(self, fetches: Sequence[Fetch]) -> None:
        if not fetches:
            return
        with self.context.connection.pipeline(transaction=True) as pipe:
            for fetch in fetches:
                pipe.zadd(fetch.key, {fetch.id: fetch.order})
            pipe.sadd(queue.FETCH_KEYS, *{fetch.key for fetch in fetches})
            pipe.execute()

    # -- in the thread of a fetch --------------------------------------------------

    def _run(self, fetch: Fetch, slots: HeldSlots) -> None:
        ended = _Ended(fetch=fetch)
        try:
            self._fetch(fetch, slots)
        except HostBusy as busy:
            again = Fetch(
                id=fetch.id,
                key=fetch.key,
                host=busy.host,
                order=fetch.order,
                bulk=fetch.bulk,
            )
            ended = _Ended(fetch=fetch, again=again)
        except Exception as error:
            reason = outage_reason(error)
            if reason is None:
                logger.exception(event_line("fetch not stored", item_id=fetch.id))
            ended = _Ended(fetch=fetch, outage=reason or "unknown")
        finally:
            with contextlib.suppress(redis.exceptions.RedisError):  # slots expire
                slots.release()
            self._ended.put(ended)
            self.wake.set()

    def _fetch(self, fetch: Fetch, slots: HeldSlots) -> None:
        context = self.context
        item = items.fold_all(fetch.id, context.log.history(fetch.id))
        if item.pending != "fetch" or not is_due(item, utc_now()):
            return
        address = handover.addresses(context.connection, [item])[0]
        began = time.monotonic()
        try:
            result = context.visitor.visit(
                address.url, slots, of_feed=item.feed is not None
            )
            if isinstance(result, FetchedPage):
                record = handover.archive_page(context.archive, item, address, result)
        except HostBusy:
            raise
        except Exception as error:
            if outage_reason(error) is not None:
                raise
            logger.exception(event_line("fetch failed", item_id=item.id))
            result = FetchFailure(
                reason="internal", detail=type(error).__name__, retryable=True
            )
        if isinstance(result, FetchFailure):
            self._fail(item, result, bulk=fetch.bulk)
            return
        self._hand_over(item, record, bulk=fetch.bulk)
        logger.info(
            event_line(
                "page fetched",
                item_id=item.id,
                bytes=len(result.body),
                duration_ms=round((time.monotonic() - began) * 1000),
            )
        )

    def _fail(self, item: items.Item, failure: FetchFailure, *, bulk: bool) -> None:
        """Append the failure, unless a worker may use the text that came along."""
        recorder = self.context.recorder
        is_last = isinstance(recorder.failed(item, failure), ItemRejected)
        if is_last and handover.may_use_given(item, failure.reason):
            refused = handover.RefusedPage.of(item, failure)
            self._hand_over(item, refused, bulk=bulk)
        else:
            recorder.append_failure(item, failure)

    def _hand_over(
        self,
        item: items.Item,
        record: handover.PageRecord | handover.RefusedPage,
        *,
        bulk: bool,
    ) -> None:
        connection = self.context.connection
        work = QueueEntry(id=item.id, submitter=item.via, needs_fetch=False)
        with connection.pipeline(transaction=True) as pipe:
            pipe.multi()
            pipe.hset(queue.FETCHED, item.id, handover.encode(record))
            extend(pipe, [item.id])
            queue.enqueue(connection, [work], bulk=bulk)(pipe)
            pipe.execute()


def main() -> None:
    """Fetch until SIGTERM."""
    settings = from_env()
    configure_logging(settings.log_level, "classifier-fetcher")
    rules = RobotsRules()  # forks: before there is any thread
    stopped = shutdown_event()
    connection = connect_when_ready(settings.redis_url)
    fetcher = Fetcher(FetcherContext.of(settings, connection, rules))
    logger.info(event_line("fetcher ready", fetches=settings.fetch_threads))
    fetcher.run(stopped)
    rules.close()


if __name__ == "__main__":
    main()
