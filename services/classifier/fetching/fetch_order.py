"""Which page is fetched next. Keys take turns, then the hosts of a key. Pure.

A key with 5,000 pages of one slow host delays neither other keys nor its own pages of
other hosts. Within a key, single submissions come before bulk ones, earlier ones first.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """A page that waits to be fetched. `key` names its sorted set in the fetch queue;
    pages with a smaller `order` come first."""

    id: str
    key: str
    host: str
    order: int
    bulk: bool = False


@dataclass(kw_only=True)
class _Hosts:
    """The pages of one key and class: a heap for each host, in the order of turns."""

    heaps: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def add(self, fetch: Fetch) -> None:
        heap = self.heaps.setdefault(fetch.host, [])
        heapq.heappush(heap, (fetch.order, fetch.id))

    def pop(self, host: str) -> str:
        heap = self.heaps.pop(host)
        _, item_id = heapq.heappop(heap)
        if heap:
            self.heaps[host] = heap  # at the end: the others have their turn first
        return item_id


class FetchSchedule:
    """The pages that wait, indexed for fair turns. Times are in seconds."""

    def __init__(self) -> None:
        self._fetches: dict[str, Fetch] = {}
        self._keys: dict[str, tuple[_Hosts, _Hosts]] = {}  # single, bulk
        self._resting: dict[str, float] = {}  # host -> until

    def __len__(self) -> int:
        return len(self._fetches)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._fetches

    def add(self, fetch: Fetch) -> None:
        """Add a page. A page that waits already stays as it is."""
        if fetch.id in self._fetches:
            return
        self._fetches[fetch.id] = fetch
        rings = self._keys.setdefault(fetch.key, (_Hosts(), _Hosts()))
        rings[fetch.bulk].add(fetch)

    def rest(self, host: str, until: float) -> None:
        """Start no page of the host before `until`."""
        self._resting[host] = until

    def next(self, now: float, may_start: Callable[[str, bool], bool]) -> Fetch | None:
        """Remove and return the next page whose host does not rest.

        `may_start` takes a key and whether bulk pages are meant; it returns False for a
        key that has enough pages under way.
        """
        for key, bulk, ring in self._rings():
            if not may_start(key, bulk):
                continue
            host = self._awake(ring, now)
            if host is not None:
                self._keys[key] = self._keys.pop(key)  # the next key has its turn
                return self._fetches.pop(ring.pop(host))
        return None

    def next_wake(self, now: float) -> float | None:
        """Return the seconds until the first resting host may be asked again."""
        self._resting = {h: until for h, until in self._resting.items() if until > now}
        if not self._resting:
            return None
        return min(self._resting.values()) - now

    def _rings(self) -> Iterator[tuple[str, bool, _Hosts]]:
        for key, rings in self._keys.items():
            for bulk, ring in enumerate(rings):
                if ring.heaps:
                    yield key, bool(bulk), ring

    def _awake(self, ring: _Hosts, now: float) -> str | None:
        for host in ring.heaps:
            if self._resting.get(host, now) <= now:
                return host
        return None
