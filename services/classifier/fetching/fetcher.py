"""Many pages at once, politely: hosts that are busy wait for one another only, and robots.txt has its say."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic

from incidentwire.items import Item
from incidentwire.net.client import HttpClient
from incidentwire.net.rate_limit import HostRateLimiter, host_of
from services.classifier.extraction.extract import Document
from services.classifier.fetching.fetch import fetch_document
from services.classifier.fetching.result import FetchedPage, FetchFailure
from services.classifier.fetching.robots import Robots

HAND_BACK_S = 5.0  # a job all of whose hosts are busy this long goes to the end of the queue, and frees its worker

FetchResult = tuple[FetchedPage, Document] | FetchFailure


@dataclass(frozen=True, kw_only=True)
class PageFetcher:
    """Fetches items' pages. `requeue` takes the ids of those whose hosts stay busy."""

    door: HttpClient
    robots: Robots
    slots: HostRateLimiter
    threads: int
    requeue: Callable[[Sequence[str]], None]
    now: Callable[[], datetime]

    def fetch_all(self, wanted: Iterable[Item]) -> Iterator[tuple[Item, FetchResult]]:
        """Pages as they come, while the caller works on earlier ones."""
        pending = deque(wanted)
        running: dict[Future[FetchResult], tuple[Item, str, str]] = {}
        stuck_since = monotonic()
        with ThreadPoolExecutor(self.threads) as pool:
            while pending or running:
                wait_s = self._start(pool, pending, running)
                done, _ = wait(running, timeout=wait_s, return_when=FIRST_COMPLETED)
                if running or done:
                    stuck_since = monotonic()
                for future in done:
                    item, host, token = running.pop(future)
                    self.slots.release(host, token)
                    yield item, future.result()
                if pending and monotonic() - stuck_since > HAND_BACK_S:
                    self.requeue([item.id for item in pending])
                    return

    def visit(self, item: Item) -> FetchResult:
        """One item's page. What a feed brought is fetched where robots.txt allows it, of what people handed in it is
        recorded afterwards, over the same connection. Page and robots.txt are one visit to the host: one slot."""
        url = item.url or ""
        if item.feed:
            return self._visit_for_feed(url)
        found = fetch_document(self.door, url, self.now)
        if isinstance(found, FetchFailure):
            return found
        page, document = found
        return replace(page, robots_allowed=self.robots.allowed(page.url)), document

    def _visit_for_feed(self, url: str) -> FetchResult:
        verdict = self.robots.verdict(url)
        if verdict.failure:
            return verdict.failure
        found = fetch_document(self.door, url, self.now)
        if verdict.delay_s:
            self.slots.rest(host_of(url), verdict.delay_s)
        if isinstance(found, FetchFailure):
            return found
        page, document = found
        if page.url != url and (
            refused := self.robots.verdict(page.url).failure
        ):  # feeds link through counters
            return refused
        return replace(page, robots_allowed=True), document

    def _start(
        self,
        pool: ThreadPoolExecutor,
        pending: deque[Item],
        running: dict[Future[FetchResult], tuple[Item, str, str]],
    ) -> float:
        """Start what may start; returns the seconds until it makes sense to ask again."""
        soonest, busy = 0.5, set[str]()
        for _ in range(len(pending)):
            if len(running) >= self.threads:
                break
            item = pending.popleft()
            host = host_of(item.url or "")
            token, wait_s = ("", soonest) if host in busy else self.slots.acquire(host)
            if token:
                running[pool.submit(self.visit, item)] = (item, host, token)
            else:
                busy.add(host)
                soonest = min(soonest, wait_s)
                pending.append(item)
        return soonest
