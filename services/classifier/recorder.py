"""Append the outcome of a request to its item, once, whoever works on it twice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from incidentwire.archive import Archive
from incidentwire.events import Event, InFlight
from incidentwire.items import Item
from incidentwire.log.event_log import EventLog, Withdrawn
from incidentwire.settings import Settings
from incidentwire.telemetry import event_line
from services.classifier.fetching import handover
from services.classifier.fetching.result import FetchFailure
from services.classifier.retry_schedule import retry_or_reject

STARTED = "iw:started"  # hash: item id -> how often a worker started on it

logger = logging.getLogger(__name__)


def utc_now() -> datetime:
    """Return the time of the edge."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class OutcomeRecorder:
    """Writes outcomes to the log, for the fetcher and the workers."""

    settings: Settings
    log: EventLog
    archive: Archive
    now: Callable[[], datetime] = utc_now

    def append_outcome(
        self, item: Item, events: Sequence[Event], **measured: object
    ) -> None:
        """Append the events that answer the item's open request, the last of which
        completes or defers it. `measured` goes to the log line."""
        last = events[-1]
        key = f"waits:{item.request_position}:{item.attempt + 1}"
        if last.in_flight is InFlight.COMPLETES:
            key = item.completion_key()
        try:
            appended = self.log.append(
                item.id, *events, idempotency_key=key, traceparent=item.traceparent
            )
        except Withdrawn:
            self.forget(item.id, withdrawn=True)
            logger.info(event_line("item withdrawn meanwhile", item_id=item.id))
            return
        self.forget(item.id)
        logger.info(
            event_line(
                last.type.replace(".", " "),
                item_id=item.id,
                position=appended.last,
                **measured,
            )
        )

    def append_failure(self, item: Item, failure: FetchFailure) -> None:
        """Append a failed attempt: the next attempt is planned, or the item ends."""
        self.append_outcome(item, [self.failed(item, failure)])

    def failed(self, item: Item, failure: FetchFailure) -> Event:
        """Return the event of a failed attempt."""
        return retry_or_reject(
            item,
            failure,
            self.settings.retry_delays_s,
            self.settings.max_retry_after_s,
            self.now(),
        )

    def count_start(self, item_id: str) -> int:
        """Count that a worker starts on the item; return how often one did so far."""
        return self.log.connection.hincrby(STARTED, item_id, 1)

    def uncount(self, item_id: str) -> None:
        """Take the count back: the work was broken off, not by the item."""
        self.log.connection.hdel(STARTED, item_id)

    def forget(self, item_id: str, *, withdrawn: bool = False) -> None:
        """Drop what the stages keep of an item. Bytes that were stored during a
        withdrawal are deleted: they must not outlive it."""
        if withdrawn:
            self.archive.delete(item_id)
        with self.log.connection.pipeline(transaction=False) as pipe:
            handover.drop(pipe, item_id)
            pipe.hdel(STARTED, item_id)
            pipe.execute()


def is_due(item: Item, now: datetime) -> bool:
    """Return whether work on the item may start: False for an unknown or ended item,
    and before the time of its next attempt."""
    if item.version == 0 or item.ended:
        return False
    return item.next_try is None or datetime.fromisoformat(item.next_try) <= now
