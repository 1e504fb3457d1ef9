"""The process api-notifier: `python -m services.api.subscriptions.notifier`.

One thread follows the log and matches it; a pool of threads delivers. It may be killed at
any moment: matched positions and the head are one transaction, an attempt and the cursor
are one transaction, and a message that was sent but not recorded is sent again under the
same id.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import redis

from incidentwire.lifecycle import shutdown_event, touch_heartbeat
from incidentwire.log.event_log import EventLog
from incidentwire.log.log_position import LogPosition
from incidentwire.net.client import HttpClient
from incidentwire.settings import Settings, from_env
from incidentwire.store import connect_when_ready
from incidentwire.telemetry import configure_logging, event_line
from services.api.read_model import database as read_model_database
from services.api.read_model.projector import lock
from services.api.subscriptions import facts
from services.api.subscriptions.clock import ClockReading
from services.api.subscriptions.database import Database
from services.api.subscriptions.delivery import Delivery
from services.api.subscriptions.ledger import Ledger
from services.api.subscriptions.matcher import Matcher
from services.api.subscriptions.pending import PendingPositions
from services.api.subscriptions.recipients import Recipients
from services.api.subscriptions.secrets import SecretBox, SecretsUnreadable
from services.api.subscriptions.store import SubscriptionStore, UnknownSubscription

THREADS = 32
DUE_AT_ONCE = 128  # subscriptions looked at in one step
PER_HOST = 8  # deliveries to one host at once
BATCH = 1_000  # log entries
TICK_S = 0.2
STORE_WAIT_S = 1.0  # pause between two attempts to reach the store
TRIM_EVERY_S = 300.0
PARK_AFTER = 5  # leases of a consumer group without an acknowledgement

logger = logging.getLogger(__name__)


class Notifier:
    """Follows the log and delivers; `run` returns once `stopped` is set."""

    def __init__(
        self, settings: Settings, connection: redis.Redis, stopped: threading.Event
    ) -> None:
        self.settings = settings
        self.connection = connection
        self.stopped = stopped
        self.log = EventLog(connection)
        self.database = Database(settings.subscriptions)
        self.pending = PendingPositions(self.database)
        self.ledger = Ledger(self.database)
        self.recipients = Recipients(self.database)
        self.store = SubscriptionStore(self.database)
        self.client = HttpClient.of(settings)
        self.box = SecretBox(settings.secrets_key, settings.subscriptions.parent)
        self.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="deliver")
        self._local = threading.local()
        self._deliveries: list[Delivery] = []  # one per thread, to close at the end
        self._busy: set[str] = set()
        self._retrying: set[str] = set()  # of those, the ones that failed last time
        self._turn = ""  # id of the last subscription looked at
        self._hosts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._matcher: Matcher | None = None
        self._inode = 0
        self._trimmed_at = 0.0
        self._clock = ClockReading.now()

    def run(self) -> None:
        """Work until stopped. The store and the read model may be unavailable meanwhile."""
        while not self.stopped.is_set():
            try:
                moved = self.step()
            except (
                redis.exceptions.RedisError,
                read_model_database.ReadModelMissing,
                sqlite3.OperationalError,
                FileNotFoundError,
            ) as error:
                logger.warning(event_line("notifier waits", error=repr(error)))
                moved = False
                self.stopped.wait(STORE_WAIT_S)
            touch_heartbeat(self.settings.heartbeat_file)
            if not moved:
                self.stopped.wait(TICK_S)

    def close(self) -> None:
        """Let deliveries under way end, and close every connection but the store's."""
        self.pool.shutdown(wait=True, cancel_futures=True)
        for delivery in self._deliveries:
            delivery.close()
        if self._matcher is not None:
            self._matcher.read_model.close()
        self.database.close()
        self.client.close()

    def step(self) -> bool:
        """Match one batch and start what is due; return whether anything moved."""
        self._follow_clock()
        matcher = self._current_matcher()
        matcher.refresh()
        moved = self._match(matcher)
        self._start_due()
        self._tidy()
        return moved

    # -- matching ----------------------------------------------------------------------

    def _match(self, matcher: Matcher) -> bool:
        head = self._head()
        entries = self.log.after(head, BATCH)
        if entries:
            reached = self._read_model_position()
            entries = [entry for entry in entries if entry.position <= reached]
        if entries:
            matcher.match(entries, self.log.id)
        head, _ = self.database.head()
        caught_up = matcher.catch_up(lambda after, n: self.log.after(after, n), head)
        return bool(entries) or caught_up

    def _head(self) -> int:
        """Return the position up to which the log was matched; at first, its end.

        A log that was restored, or lost its tail and grew again, has other events there:
        matching goes back to the newest head whose event the log still has.
        """
        head, former = self.database.head()
        reason = self._mismatch(head, former)
        if not reason:
            return head
        self.log = EventLog(self.connection)  # its identity may be another one
        intact = self._intact_head() if former else self.log.last()
        if former:
            logger.warning(event_line("log was replaced", reason=reason, head=intact))
        with self.database.transaction():
            self.pending.drop_beyond(intact)
            self.recipients.drop_beyond(intact)
            self.store.limit_scanned(intact)
            self.database.set_head(LogPosition.at(self.log, intact))
        return intact

    def _mismatch(self, head: int, log_id: str) -> str:
        """Return why the log does not continue from the head, "" if it does."""
        marks = self.database.marks()
        if marks:
            return marks[0].mismatch(self.log)
        # at position 0, or in a file of an earlier version
        return LogPosition(log_id=log_id).mismatch(self.log)

    def _intact_head(self) -> int:
        log_id = self.log.id
        marks = self.database.marks()
        for mark in marks:
            if not replace(mark, log_id=log_id).mismatch(self.log):
                return mark.position
        oldest = marks[-1].position if marks else self.database.head()[0]
        return min(oldest, self.log.last())

    def _current_matcher(self) -> Matcher:
        """Return the matcher on the read model in place; a rebuild brings a new file."""
        inode = os.stat(self.settings.read_model).st_ino
        if self._matcher is None or inode != self._inode:
            read_model = open_read_model(self.settings.read_model)
            if self._matcher is None:
                self._complete_subjects()
            else:
                self._matcher.read_model.close()
            self._inode = inode
            self._matcher = Matcher(self.database, read_model)
        return self._matcher

    def _complete_subjects(self) -> None:
        """Store the subjects of events that an earlier release left waiting."""
        after = 0
        while positions := self.recipients.positions_without_subjects(after):
            self.recipients.add_subjects(
                facts.subjects_by_position(self.log.get_many(positions))
            )
            after = positions[-1]

    def _read_model_position(self) -> int:
        assert self._matcher is not None  # noqa: S101  # set by step
        row = self._matcher.read_model.execute(
            "SELECT position FROM checkpoint"
        ).fetchone()
        return int(row[0])

    # -- delivering --------------------------------------------------------------------

    def _start_due(self) -> None:
        now = time.time()
        for subscription_id in self.pending.idle_digests(now):
            self._delivery().reschedule(subscription_id)
        # In turns: however many wait for one slow host, the others are looked at too.
        due = self.pending.due(now, DUE_AT_ONCE, self._turn)
        self._turn = due[-1] if len(due) == DUE_AT_ONCE else ""
        for subscription_id in due:
            self._start(subscription_id)

    def _start(self, subscription_id: str) -> None:
        """Deliver in a thread, unless this subscription or its host is busy.

        Those that failed last time get half of the threads at most: an endpoint that
        never answers holds a thread until its time is over.
        """
        try:
            subscription = self.store.get(subscription_id)
        except UnknownSubscription:
            return
        target = subscription.target
        host = urlsplit(target).hostname or target.rpartition("@")[2]
        with self._lock:
            if subscription_id in self._busy or self._hosts[host] >= PER_HOST:
                return
            if len(self._busy) >= THREADS:
                return
            if subscription.attempt:
                if len(self._retrying) >= THREADS // 2:
                    return
                self._retrying.add(subscription_id)
            self._busy.add(subscription_id)
            self._hosts[host] += 1
        self.pool.submit(self._deliver, subscription_id, host)

    def _deliver(self, subscription_id: str, host: str) -> None:
        try:
            self._delivery().deliver(subscription_id)
        except UnknownSubscription:
            pass  # removed meanwhile
        except SecretsUnreadable as error:
            logger.error(event_line("secrets unreadable", error=str(error)))
            self._delivery().store.change(
                subscription_id, retry_at=time.time() + 60, reason=str(error)
            )
        except Exception as error:
            # One subscription must not stop the others; its cursor has not moved.
            logger.exception(
                event_line("delivery failed", id=subscription_id, error=repr(error))
            )
            self._delivery().store.change(subscription_id, retry_at=time.time() + 5)
        finally:
            with self._lock:
                self._busy.discard(subscription_id)
                self._retrying.discard(subscription_id)
                self._hosts[host] -= 1

    def _delivery(self) -> Delivery:
        """Return this thread's connections, renewed when the read model was rebuilt."""
        known: Delivery | None = getattr(self._local, "delivery", None)
        if (
            known is None
            or known.log is not self.log
            or self._local.inode != self._inode
        ):
            renewed = Delivery(
                settings=self.settings,
                read_model=open_read_model(self.settings.read_model),
                database=Database(self.settings.subscriptions),
                log=self.log,
                client=self.client,
                box=self.box,
            )
            self._deliveries.append(renewed)
            if known is not None:
                self._deliveries.remove(known)
                known.close()
            self._local.delivery = known = renewed
            self._local.inode = self._inode
        return known

    def _follow_clock(self) -> None:
        """Keep the waiting times of leases and retries as they were if the clock was set.

        Set forward, a retry or a digest comes early: that does no harm. A daily or weekly
        digest comes at its hour by the clock as it is now.
        """
        now = ClockReading.now()
        before = self._clock
        step = now.step_since(before)
        if step:
            logger.warning(event_line("clock was set", seconds=round(step)))
            self.pending.move_leases(before.wall, step)
        if step < 0:
            self.store.move_retries(before.wall, step)
            for subscription_id in self.store.hourly_after(before.wall):
                self._delivery().reschedule(subscription_id)
        self._clock = now

    def _tidy(self) -> None:
        now = time.time()
        is_due = now - self._trimmed_at > TRIM_EVERY_S
        if is_due and not self.ledger.trim_ledger(now):
            self._trimmed_at = now
            self.recipients.trim()
            self.store.drop_expired_secrets(now)
        self.pending.park_exhausted(now, PARK_AFTER)


def open_read_model(path: Path) -> sqlite3.Connection:
    """Open the read model read-only, with rows that are read by name."""
    db = read_model_database.open_for_reading(path)
    db.row_factory = sqlite3.Row
    return db


def main() -> None:
    """Run until SIGTERM."""
    settings = from_env()
    configure_logging(settings.log_level, "api-notifier")
    stopped = shutdown_event()
    try:
        with lock(settings.subscriptions):
            connection = connect_when_ready(settings.redis_url)
            with closing(Notifier(settings, connection, stopped)) as notifier:
                notifier.run()
    except BlockingIOError:
        raise SystemExit(
            f"Another notifier delivers for {settings.subscriptions}. Stop it first."
        ) from None


if __name__ == "__main__":
    main()
