"""The process ingest-feeds: `python -m services.ingest.feeds`. It polls the feeds that are due, a few at once and
each host one at a time. Two of these processes share the feeds between them; one that dies leaves its polls to others
when their leases end."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor

import redis

from incidentwire.lifecycle import shutdown_event, touch_heartbeat
from incidentwire.net.client import HttpClient
from incidentwire.net.rate_limit import HostRateLimiter, host_of
from incidentwire.settings import from_env
from incidentwire.store import connect_when_ready
from incidentwire.telemetry import configure_logging, event_line
from services.ingest.feeds import poll, schedule
from services.ingest.feeds.poll import Poller
from services.ingest.feeds.schedule import Feed, PollFailure
from services.ingest.feeds.store import FeedLease, FeedStore
from services.ingest.submit import Submitter

PERIOD_S = 1.0
POLLS_AT_ONCE = 8
LOOK_AT = 1000  # due feeds looked at per round: more than one host's, so that a slow host holds up only its own

logger = logging.getLogger(__name__)


class PollLoop:
    """The polls under way. `turn` is called again and again."""

    def __init__(self, place: Poller, pool: ThreadPoolExecutor) -> None:
        self.place, self.pool = place, pool
        self.running: dict[Future[Feed | None], tuple[FeedLease, str]] = {}

    def turn(self) -> int:
        """Settle what has ended, start what is due and free to start; how many polls are under way."""
        now = self.place.clock()
        self.settle(now)
        self.place.feeds.catch_up(now)
        if len(self.running) >= POLLS_AT_ONCE:
            return len(self.running)
        busy = {host for _, host in self.running.values()}
        for feed in self.place.feeds.due(now, LOOK_AT):
            if len(self.running) >= POLLS_AT_ONCE:
                break
            host = host_of(feed.url)
            if host in busy:
                continue
            taken = self.place.feeds.take(feed.id, now)
            if taken:
                busy.add(host)
                self.running[self.pool.submit(poll.poll, self.place, taken)] = (
                    taken,
                    host,
                )
        return len(self.running)

    def settle(self, now: float) -> None:
        """Look at the polls that have ended. What went wrong in one feed must not stop the others, and must show."""
        for future in [future for future in self.running if future.done()]:
            taken, _ = self.running.pop(future)
            error = future.exception()
            if isinstance(error, redis.exceptions.RedisError | OSError):
                logger.error(
                    event_line(
                        "feed poll broken off", feed_id=taken.feed.id, error=str(error)
                    )
                )
            elif error is not None:
                logger.error(
                    event_line("feed poll failed", feed_id=taken.feed.id),
                    exc_info=error,
                )
                failure = PollFailure(
                    reason="internal", detail=type(error).__name__, retryable=True
                )
                poll.record(
                    self.place.feeds, taken, schedule.failed(taken.feed, now, failure)
                )


def main() -> None:
    """Poll feeds until SIGTERM."""
    settings = from_env()
    configure_logging(settings.log_level, "ingest-feeds")
    connection = connect_when_ready(settings.redis_url)
    stopped = shutdown_event()
    with (
        HttpClient.of(settings) as door,
        ThreadPoolExecutor(POLLS_AT_ONCE, "feed") as pool,
    ):
        submitter = Submitter(settings, connection)
        slots = HostRateLimiter.of(settings, connection)
        place = Poller(
            feeds=FeedStore(connection),
            submitter=submitter,
            door=door,
            slots=slots,
            clock=time.time,
        )
        rounds = PollLoop(place, pool)
        logger.info("feeds ready")
        while not stopped.wait(PERIOD_S):
            touch_heartbeat(settings.heartbeat_file)
            try:
                rounds.turn()
            except (
                redis.exceptions.ConnectionError,
                redis.exceptions.TimeoutError,
            ) as error:
                logger.error(event_line("store unreachable", error=str(error)))
        pool.shutdown(wait=True, cancel_futures=True)


if __name__ == "__main__":
    main()
