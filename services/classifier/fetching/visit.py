"""Visit one page politely: slots at every host of the way, and robots.txt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic, sleep

from incidentwire.net.client import HttpClient
from incidentwire.net.rate_limit import HostBusy, HostRateLimiter
from services.classifier.fetching.fetch import fetch
from services.classifier.fetching.result import FetchFailure, FetchResult
from services.classifier.fetching.robots import Robots

# How long a redirect waits for a slot at the next host. A page that finds none goes
# back to the schedule and waits in the queue of that host.
REDIRECT_PATIENCE_S = 1.0


@dataclass(kw_only=True)
class HeldSlots:
    """The slots at hosts that one visit holds: one is acquired for each new host."""

    limiter: HostRateLimiter
    held: dict[str, str] = field(default_factory=dict)  # host -> token

    def acquire(self, host: str) -> None:
        """Take a slot of the host, if none is held there. Raises HostBusy."""
        deadline = monotonic() + REDIRECT_PATIENCE_S
        while host not in self.held:
            token, wait_s = self.limiter.acquire(host)
            if token:
                self.held[host] = token
            elif monotonic() + wait_s > deadline:
                raise HostBusy(host)
            else:
                sleep(wait_s)

    def release(self) -> None:
        """Give all slots back."""
        while self.held:
            host, token = self.held.popitem()
            self.limiter.release(host, token)


@dataclass(frozen=True, kw_only=True)
class PageVisitor:
    """Fetches pages. Page and robots.txt are one visit to a host: one slot there."""

    client: HttpClient
    robots: Robots
    limiter: HostRateLimiter
    now: Callable[[], datetime]

    def visit(self, url: str, slots: HeldSlots, *, of_feed: bool) -> FetchResult:
        """Fetch one page.

        Pages of feeds are fetched only if robots.txt allows it; for submitted pages its
        answer is recorded. Raises HostBusy if a redirect leads to a busy host.
        """
        if of_feed:
            return self._visit_for_feed(url, slots)
        result = fetch(self.client, url, self.now, slots.acquire)
        if isinstance(result, FetchFailure):
            return result
        return replace(result, robots_allowed=self.robots.allowed(result.url))

    def _visit_for_feed(self, url: str, slots: HeldSlots) -> FetchResult:
        verdict = self.robots.verdict(url)
        if verdict.failure:
            return verdict.failure
        result = fetch(self.client, url, self.now, slots.acquire)
        if verdict.delay_s:
            for host in slots.held:
                self.limiter.back_off(host, verdict.delay_s)
        if isinstance(result, FetchFailure):
            return result
        if result.url != url:  # feeds link through counters
            refused = self.robots.verdict(result.url).failure
            if refused:
                return refused
        return replace(result, robots_allowed=True)
