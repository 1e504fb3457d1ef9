"""The process ingest-feeds: `python -m services.ingest.feeds.process`.

It polls the feeds that are due, a few at once and each host one at a time. Several of
these processes share the feeds; the polls of one that dies pass to the others when
their leases end.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor

import redis

from incidentwire.lifecycle import run_until_shutdown, shutdown_event
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
MAX_POLLS = 8  # at once
# Due feeds looked at per tick: more than one host's, so that a slow host delays only
# its own.
MAX_DUE = 1000

logger = logging.getLogger(__name__)


class PollLoop:
    """The polls that are running. Call `tick` again and again."""

    def __init__(self, poller: Poller, pool: ThreadPoolExecutor) -> None:
        self.poller = poller
        self.pool = pool
        self.running: dict[Future[Feed | None], tuple[FeedLease, str]] = {}

    def tick(self) -> int:
        """Settle finished polls and start due ones; return how many are running."""
        now = self.poller.clock()
        self.settle(now)
        self.poller.feeds.catch_up(now)
        if len(self.running) >= MAX_POLLS:
            return len(self.running)
        busy = {host for _, host in self.running.values()}
        for feed in self.poller.feeds.due(now, MAX_DUE):
            if len(self.running) >= MAX_POLLS:
                break
            host = host_of(feed.url)
            if host not in busy and self._start(feed, host, now):
                busy.add(host)
        return len(self.running)

    def _start(self, feed: Feed, host: str, now: float) -> bool:
        lease = self.poller.feeds.take(feed.id, now)
        if lease is None:
            return False
        future = self.pool.submit(poll.poll, self.poller, lease)
        self.running[future] = (lease, host)
        return True

    def settle(self, now: float) -> None:
        """Handle finished polls: an error in one feed must show, and stop no other."""
        for future in [future for future in self.running if future.done()]:
            lease, _ = self.running.pop(future)
            error = future.exception()
            if isinstance(error, redis.exceptions.RedisError | OSError):
                logger.error(
                    event_line(
                        "feed poll aborted", feed_id=lease.feed.id, error=str(error)
                    )
                )
            elif error is not None:
                logger.error(
                    event_line("feed poll failed", feed_id=lease.feed.id),
                    exc_info=error,
                )
                self._record_crash(lease, now, type(error).__name__)

    def _record_crash(self, lease: FeedLease, now: float, name: str) -> None:
        failure = PollFailure(reason="internal", detail=name, retryable=True)
        after = schedule.failed(lease.feed, now, failure, self.poller.retry_delays_s)
        poll.record(self.poller.feeds, lease, after)


def main() -> None:
    """Poll feeds until SIGTERM."""
    settings = from_env()
    configure_logging(settings.log_level, "ingest-feeds")
    connection = connect_when_ready(settings.redis_url)
    stopped = shutdown_event()
    with (
        HttpClient.of(settings) as client,
        ThreadPoolExecutor(MAX_POLLS, "feed") as pool,
    ):
        poller = Poller(
            feeds=FeedStore(connection),
            submitter=Submitter(settings, connection),
            client=client,
            limiter=HostRateLimiter.of(settings, connection),
            clock=time.time,
        )
        loop = PollLoop(poller, pool)
        logger.info("feeds ready")
        run_until_shutdown(
            loop.tick,
            stopped,
            heartbeat_file=settings.heartbeat_file,
            pause_s=PERIOD_S,
        )
        pool.shutdown(wait=True, cancel_futures=True)


if __name__ == "__main__":
    main()
