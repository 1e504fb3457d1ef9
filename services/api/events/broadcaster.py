"""One reader of the log per process, and every open stream of it.

Each event is framed once and written straight to each subscriber's socket, without switching greenlets and without
ever waiting: what a socket does not take at once is queued, as references to the shared bytes, for the connection's
own greenlet. So a slow subscriber costs its place in the queue, never anybody's time. Nothing here switches greenlets
between looking at a position and acting on it, except where it says so.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any

import gevent
import redis
from redis.exceptions import ConnectionError as StoreAway
from redis.exceptions import TimeoutError as StoreSlow

from incidentwire.log.event_log import EventLog
from incidentwire.log.recorded_event import RecordedEvent
from incidentwire.telemetry import event_line
from incidentwire.web.problems import Problem
from services.api.events import sse
from services.api.events.filters import EventFilter
from services.api.events.subscriber import Subscriber

REMEMBERED = 500  # newest events kept framed (about 400 kB): who reconnects soon is served without reading the log
JOIN_BYTES = (
    200_000  # at most so much is caught up at once: far below what makes a seat slow
)
BATCH = (
    50  # events per round of writes: about 35 kB, well within an idle socket's buffer
)
IDLE_S = (
    5.0  # an idle reader looks after this long whether the log is still the same one
)
STORE_AWAY_S = 0.3  # pause between two attempts to reach the store
RETRY_FULL_S = 10

logger = logging.getLogger(__name__)


class Broadcaster:
    """The open streams of this process. `start` must have been called before `join`."""

    def __init__(
        self, connection: redis.Redis, *, heartbeat_s: float, max_streams: int
    ) -> None:
        self.connection = connection
        self.heartbeat_s, self.max_streams = heartbeat_s, max_streams
        self.open = 0  # streams, those that still catch up included
        self.position = -1  # of the last event written to the seats
        self.log_id = ""
        self.failure = (
            ""  # why no stream can be served, for ever or until the process is replaced
        )
        self.stopping = False
        self._recent: deque[sse.Framed] = deque(maxlen=REMEMBERED)
        self._seats: dict[tuple[EventFilter, bool], set[Subscriber]] = {}
        self._greenlets: list[Any] = []

    # -- coming and going ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to follow the log at its end. Does nothing the second time. Raises redis' errors."""
        if self._greenlets:
            return
        log = EventLog(self.connection)
        log_id, position = log.id, log.last()  # both switch greenlets
        if not self._greenlets:
            self.log_id, self.position = log_id, position
            self._greenlets = [gevent.spawn(self._read), gevent.spawn(self._beat)]
            for greenlet in self._greenlets:
                greenlet.link_exception(self._died)

    def reserve(self) -> None:
        """Take a place. Raises Problem 503 where there is none. `release` gives it back."""
        if self.failure:
            raise Problem(status=503, slug="streams-stopped", detail=self.failure)
        if self.stopping or self.open >= self.max_streams:
            detail = f"this process has no place for another stream (it holds {self.open}): try again soon"
            raise Problem(
                status=503,
                slug="too-many-streams",
                detail=detail,
                retry_after_s=RETRY_FULL_S,
            )
        self.open += 1

    def release(self) -> None:
        self.open -= 1

    def join(self, seat: Subscriber, position: int, log_id: str) -> bool:
        """Give the seat everything behind `position` from now on; False where that is older than what the hub
        remembers: read on in the log, and ask again. A seat that came too late is ended at once."""
        if self.stopping or self.failure or log_id != self.log_id:
            seat.end("stopped")
        if seat.ended:  # its subscriber may have gone while it caught up
            return True
        missed = self._missed(position)
        if missed is None:
            return False
        seat.skip_to = position
        self._seats.setdefault(seat.key, set()).add(seat)
        seat.on_end = self._leave
        self._write_events([seat], missed)
        return True

    def _missed(self, position: int) -> list[sse.Framed] | None:
        """What came behind the position; None where that is not remembered, or too much to write at once."""
        count = max(0, self.position - position)
        if count > len(self._recent):
            return None
        missed = list(islice(reversed(self._recent), count))[::-1]
        size = sum(len(f.frame) for f in missed)
        return missed if size <= JOIN_BYTES else None

    def stop(self) -> None:
        """End all streams in good order; their subscribers connect again, elsewhere or later."""
        self.stopping = True
        gevent.killall(self._greenlets, block=False)
        self._end_all("stopped")

    def _died(self, greenlet: Any) -> None:
        """What stops the reader (an event type that this code does not know) stops the streams, loudly."""
        self.failure = (
            f"the streams stopped behind position {self.position}: {greenlet.exception}"
        )
        logger.error(
            event_line(
                "streams stopped",
                position=self.position,
                error=repr(greenlet.exception),
            )
        )
        self._end_all("stopped")

    def _leave(self, seat: Subscriber) -> None:
        seats = self._seats.get(seat.key, set())
        seats.discard(seat)
        if not seats:
            self._seats.pop(seat.key, None)

    def _end_all(self, why: str) -> None:
        for seat in self.seats():
            seat.end(why)

    def seats(self) -> list[Subscriber]:
        return [seat for seats in self._seats.values() for seat in seats]

    # -- the reader ------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        while True:
            try:
                for batch in self._batches():
                    self.deliver(batch)
                    gevent.sleep(0)  # seats with a queue write between two rounds
            except (StoreAway, StoreSlow) as error:
                logger.warning(
                    event_line(
                        "store unreachable", process="stream reader", error=str(error)
                    )
                )
                gevent.sleep(STORE_AWAY_S)

    def _batches(self) -> Iterator[Sequence[RecordedEvent]]:
        """What the log has behind our position, for ever. Returns where the log has turned out to be another one."""
        if self._is_another_log():
            self._begin_again()
        for batch in EventLog(self.connection).follow(
            self.position, wait_s=IDLE_S, limit=BATCH
        ):
            if batch and batch[0].position == self.position + 1:
                yield batch
            elif batch or self._is_another_log():
                return self._begin_again()

    def _is_another_log(self) -> bool:
        log = EventLog(self.connection)
        return log.id != self.log_id or log.last() < self.position

    def _begin_again(self) -> None:
        """The log was restored, emptied or cut: say so to everybody, and go on at its end."""
        log = EventLog(self.connection)
        log_id, first, last = log.id, log.first(), log.last()
        logger.error(
            event_line(
                "log changed under the streams", log_id=log_id, first=first, last=last
            )
        )
        self.log_id, self.position = log_id, last
        self._recent.clear()
        self._write(self.seats(), sse.gap(last, first=first, last=last, log_id=log_id))
        for seat in self.seats():
            seat.skip_to = last

    def deliver(self, entries: Sequence[RecordedEvent]) -> None:
        """Write consecutive entries to all who want them. Raises UnknownType before anything is written."""
        framed = [sse.framed(entry, self.log_id) for entry in entries]
        self.position = entries[-1].position
        self._recent.extend(framed)
        for seats in list(self._seats.values()):
            ahead = {seat for seat in seats if seat.skip_to >= entries[0].position}
            for (
                seat
            ) in ahead:  # it has read the log further than we had; rare, and soon over
                self._write_events(
                    [seat], [f for f in framed if f.entry.position > seat.skip_to]
                )
            self._write_events(seats - ahead, framed)

    def _write_events(
        self, seats: Collection[Subscriber], framed: Sequence[sse.Framed]
    ) -> None:
        """Write to seats that share a filter what matches it, in one piece."""
        if not seats:
            return
        wanted = next(iter(seats)).wanted
        matching = [f.frame for f in framed if wanted.matches(f.entry)]
        if matching:
            self._write(seats, b"".join(matching), events=len(matching))

    def _write(
        self, seats: Collection[Subscriber], data: bytes, events: int = 0
    ) -> None:
        chunked, now = sse.chunk(data), time.monotonic()
        for seat in seats:
            seat.sent += events
            seat.written_at = now
            seat.write(chunked if seat.is_raw else data)

    # -- the heartbeat ---------------------------------------------------------------------------------------------

    def _beat(self) -> None:
        pause_s = min(1.0, self.heartbeat_s / 4)
        while True:
            gevent.sleep(pause_s)
            due = time.monotonic() - self.heartbeat_s + pause_s
            for seat in self.seats():
                if seat.written_at <= due:
                    position = max(self.position, seat.skip_to)
                    self._write(
                        [seat], sse.checkpoint(position, seat.sent, self.log_id)
                    )
