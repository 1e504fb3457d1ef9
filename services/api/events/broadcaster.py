"""One reader of the log per process, which writes to every open stream of it.

Each event is framed once and written straight to each subscriber's socket, without
switching greenlets and without waiting. What a socket does not accept at once is
queued, as references to shared bytes, for the connection's own greenlet. A slow
subscriber costs its place in the queue, never anybody's time. No function here
switches greenlets between looking at a position and acting on it, unless it says so.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import Any

import gevent
import redis
from gevent.event import Event
from redis.exceptions import RedisError

from incidentwire import store
from incidentwire.log.event_log import EventLog
from incidentwire.log.log_position import LogPosition
from incidentwire.log.recorded_event import RecordedEvent
from incidentwire.telemetry import event_line
from services.api.errors import (
    StreamsStopped,
    TooManyStreams,
    TooManyStreamsOfKey,
)
from services.api.events import sse
from services.api.events.filters import EventFilter
from services.api.events.subscriber import Subscriber

REMEMBERED = 500  # newest events kept framed (400 kB): a soon reconnect reads no log
JOIN_BYTES = 200_000  # caught up at once, far below what makes a subscriber slow
BATCH = 50  # events per round of writes: about 35 kB, well within a socket's buffer
IDLE_S = 5.0  # pause after which an idle reader checks that the log is the same one
STORE_WAIT_S = 0.3  # pause between two attempts to reach the store
KEY_CHECK_S = 2.0  # pause between two checks for revoked keys

# Returns those of the given key digests that are revoked.
FindRevoked = Callable[[Collection[str]], set[str]]

logger = logging.getLogger(__name__)


def _none_revoked(digests: Collection[str]) -> set[str]:
    return set()


class Broadcaster:
    """The open streams of this process. Call `start` before `join`."""

    def __init__(
        self,
        connection: redis.Redis,
        *,
        heartbeat_s: float,
        max_streams: int,
        max_streams_per_key: int = 1_000,
        find_revoked: FindRevoked = _none_revoked,
    ) -> None:
        self.connection = connection
        self.heartbeat_s = heartbeat_s
        self.max_streams = max_streams
        self.max_streams_per_key = max_streams_per_key
        self.find_revoked = find_revoked
        self.open = 0  # streams, including those that still catch up
        self.reached = LogPosition(log_id="", position=-1)  # written to the subscribers
        self.restarts = 0  # times that the log turned out to be another one
        self.failure = ""  # why this process cannot serve streams any more
        self.stopping = False
        self._recent: deque[sse.Framed] = deque(maxlen=REMEMBERED)
        self._groups: dict[tuple[EventFilter, bool], set[Subscriber]] = {}
        self._of_key: Counter[str] = Counter()  # open streams by key digest
        self._all: set[Subscriber] = set()  # including those that still catch up
        self._greenlets: list[Any] = []
        self._grown = Event()  # replaced with each batch; long polls wait for it

    @property
    def position(self) -> int:
        return self.reached.position

    @property
    def log_id(self) -> str:
        return self.reached.log_id

    # -- joining and leaving -----------------------------------------------------------

    def start(self) -> None:
        """Start to follow the log at its end; idempotent. Raises redis' errors."""
        if self._greenlets:
            return
        log = EventLog(self.connection)
        reached = LogPosition.at(log, log.last())  # switches greenlets
        if not self._greenlets:
            self.reached = reached
            loops = (self._read, self._send_heartbeats, self._end_revoked)
            self._greenlets = [gevent.spawn(loop) for loop in loops]
            for greenlet in self._greenlets:
                greenlet.link_exception(self._died)

    def reserve(self, key: str) -> None:
        """Reserve a stream for the key with this digest ("" without a key).

        Raises StreamsStopped, TooManyStreams or TooManyStreamsOfKey. Call `release`
        when the stream has ended.
        """
        if self.failure:
            raise StreamsStopped(self.failure)
        if self.stopping or self.open >= self.max_streams:
            raise TooManyStreams(self.open)
        if key and self._of_key[key] >= self.max_streams_per_key:
            raise TooManyStreamsOfKey(self.max_streams_per_key)
        self.open += 1
        self._of_key[key] += 1

    def release(self, key: str) -> None:
        """Give a reserved stream back."""
        self.open -= 1
        self._of_key[key] -= 1
        if not self._of_key[key]:
            del self._of_key[key]

    def admit(self, subscriber: Subscriber) -> None:
        """Register a subscriber that begins to catch up, so that it can be ended."""
        self._all.add(subscriber)

    def dismiss(self, subscriber: Subscriber) -> None:
        """Forget a subscriber whose stream has ended."""
        self._all.discard(subscriber)

    def join(
        self, subscriber: Subscriber, start: LogPosition, restarts: int = 0
    ) -> bool:
        """Deliver everything after `start` to the subscriber from now on.

        Return False if that is older than the remembered events: read on in the log
        and ask again. A subscriber is ended if the process stops, or if the log was
        replaced since it saw so many `restarts`: its client comes back and is asked.
        """
        if self.stopping or self.failure or restarts != self.restarts:
            subscriber.end("stopped")
        if subscriber.ended:  # the client may have left while it caught up
            return True
        missed = self._missed(start.position)
        if missed is None:
            return False
        subscriber.skip_to = start
        self._groups.setdefault(subscriber.key, set()).add(subscriber)
        subscriber.on_end = self._leave
        self._write_events([subscriber], missed)
        return True

    def _missed(self, position: int) -> list[sse.Framed] | None:
        """Return the events after the position, or None if they are too many."""
        count = max(0, self.position - position)
        if count > len(self._recent):
            return None
        missed = list(islice(reversed(self._recent), count))[::-1]
        size = sum(len(f.frame) for f in missed)
        return missed if size <= JOIN_BYTES else None

    def stop(self) -> None:
        """End all streams in good order; clients reconnect elsewhere or later."""
        self.stopping = True
        self._announce()
        gevent.killall(self._greenlets, block=False)
        self._end_all("stopped")

    def _died(self, greenlet: Any) -> None:
        """Stop all streams, loudly: an event type unknown to this code stops the reader."""
        self.failure = (
            f"Streams stopped after position {self.position}: {greenlet.exception}"
        )
        logger.error(
            event_line(
                "streams stopped",
                position=self.position,
                error=repr(greenlet.exception),
            )
        )
        self._end_all("stopped")

    def _leave(self, subscriber: Subscriber) -> None:
        group = self._groups.get(subscriber.key, set())
        group.discard(subscriber)
        if not group:
            self._groups.pop(subscriber.key, None)

    def _end_all(self, why: str) -> None:
        for subscriber in self.subscribers():
            subscriber.end(why)

    def subscribers(self) -> list[Subscriber]:
        """Return the subscribers that have caught up."""
        return [one for group in self._groups.values() for one in group]

    def wait_beyond(self, position: int, wait_s: float) -> bool:
        """Return whether the log has grown beyond the position within `wait_s` seconds.

        Switches greenlets. Returns at once if the process stops.
        """
        deadline = time.monotonic() + wait_s
        while self.position <= position and not (self.stopping or self.failure):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                break
            self._grown.wait(left_s)
        return self.position > position

    def _announce(self) -> None:
        """Wake the requests that wait for the log to grow."""
        grown = self._grown
        self._grown = Event()
        grown.set()

    # -- reading the log ---------------------------------------------------------------

    def _read(self) -> None:
        while True:
            try:
                for batch in self._batches():
                    self.deliver(batch)
                    gevent.sleep(0)  # lets queues drain between two rounds
            except RedisError as error:
                if store.outage_of(error) is None:
                    raise
                logger.warning(
                    event_line(
                        "store unreachable", process="stream reader", error=str(error)
                    )
                )
                gevent.sleep(STORE_WAIT_S)

    def _batches(self) -> Iterator[Sequence[RecordedEvent]]:
        """Yield new events; return if the log turns out to be another one."""
        self.check_log()
        restarts = self.restarts
        log = EventLog(self.connection)
        for batch in log.follow(self.position, wait_s=IDLE_S, limit=BATCH):
            if self.restarts == restarts:
                is_next = not batch or batch[0].position == self.position + 1
                self.check_log(is_next=is_next)
            if self.restarts != restarts:
                return  # reads on from where the log continues
            if batch:
                yield batch

    def check_log(self, *, is_next: bool = True) -> None:
        """Announce a gap if the log has lost the last event that was written: it was
        restored, emptied or cut. Continue at its end.

        `is_next` is False if the events read do not follow that one. Switches
        greenlets; raises redis' errors.
        """
        written = self.reached
        log = EventLog(self.connection)
        if is_next and written.continues(log):
            return
        first = log.first()
        last = log.last()
        reached = LogPosition.at(log, last)
        if self.reached is not written:
            return  # another greenlet was faster
        logger.error(
            event_line(
                "log changed under the streams", log_id=log.id, first=first, last=last
            )
        )
        self.reached = reached
        self.restarts += 1
        self._recent.clear()
        self._announce()
        gap = sse.gap(reached.cursor, first=first, last=last, log_id=log.id)
        self._write(self.subscribers(), gap)
        for subscriber in self.subscribers():
            subscriber.skip_to = reached

    def deliver(self, entries: Sequence[RecordedEvent]) -> None:
        """Write consecutive entries to the subscribers that want them.

        Raises UnknownType before anything is written.
        """
        framed = [sse.framed(entry, self.log_id) for entry in entries]
        self.reached = LogPosition.of(self.log_id, entries[-1])
        self._recent.extend(framed)
        self._announce()
        for group in list(self._groups.values()):
            ahead = {
                one for one in group if one.skip_to.position >= entries[0].position
            }
            for one in ahead:  # has read the log further than this reader; rare
                served = one.skip_to.position
                rest = [f for f in framed if f.entry.position > served]
                self._write_events([one], rest)
            self._write_events(group - ahead, framed)

    def _write_events(
        self, group: Collection[Subscriber], framed: Sequence[sse.Framed]
    ) -> None:
        """Write to subscribers that share a filter what matches it, in one piece."""
        if not group:
            return
        wanted = next(iter(group)).wanted
        matching = [f.frame for f in framed if wanted.matches(f.entry, f.facts)]
        if matching:
            self._write(group, b"".join(matching), events=len(matching))

    def _write(
        self, group: Collection[Subscriber], data: bytes, events: int = 0
    ) -> None:
        chunked = sse.chunk(data)
        now = time.monotonic()
        for subscriber in group:
            subscriber.sent += events
            subscriber.written_at = now
            subscriber.write(chunked if subscriber.is_raw else data)

    # -- heartbeats and revoked keys -----------------------------------------------------

    def _send_heartbeats(self) -> None:
        pause_s = min(1.0, self.heartbeat_s / 4)
        while True:
            gevent.sleep(pause_s)
            due = time.monotonic() - self.heartbeat_s + pause_s
            for one in self.subscribers():
                if one.written_at <= due:
                    is_ahead = one.skip_to.position > self.position
                    reached = one.skip_to if is_ahead else self.reached
                    beat = sse.checkpoint(reached.cursor, one.sent, self.log_id)
                    self._write([one], beat)

    def _end_revoked(self) -> None:
        while True:
            gevent.sleep(KEY_CHECK_S)
            keys = [key for key in self._of_key if key]
            try:
                revoked = self.find_revoked(keys) if keys else set()
            except RedisError as error:
                if store.outage_of(error) is None:
                    raise
                continue  # the reader logs it
            for one in [one for one in self._all if one.api_key in revoked]:
                one.end("revoked")
