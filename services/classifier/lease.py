"""Leases: while a process works on items, it postpones the time at which the keeper
would queue them again.

A process that dies stops renewing, and the keeper queues its items after
VISIBILITY_TIMEOUT_S. Renewing is a call, not a thread: work that could hold the
interpreter's lock runs in another process (incidentwire/sandbox.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import redis
from redis.client import Pipeline

from incidentwire.log.event_log import IN_FLIGHT, VISIBILITY_TIMEOUT_S

RENEW_S = 10.0


class Lease:
    """Items that this process holds. `add` and `discard` change them."""

    def __init__(self, connection: redis.Redis, ids: Iterable[str] = ()) -> None:
        self.connection = connection
        self.ids = set(ids)
        self._renewed = time.monotonic()
        self._extend()

    def discard(self, item_id: str) -> None:
        """Let an item go: its outcome is recorded, or it was given back."""
        self.ids.discard(item_id)

    def renew(self, *, after_s: float = RENEW_S) -> None:
        """Extend the lease if it was extended more than `after_s` ago."""
        if time.monotonic() - self._renewed >= after_s:
            self._extend()

    def _extend(self) -> None:
        self._renewed = time.monotonic()
        extend(self.connection, self.ids)


def extend(target: redis.Redis | Pipeline, ids: Iterable[str]) -> None:
    """Lease the items for VISIBILITY_TIMEOUT_S from now.

    An item that ended meanwhile does not come back (XX); one that waits for a later
    time keeps it (GT).
    """
    until = dict.fromkeys(sorted(ids), time.time() + VISIBILITY_TIMEOUT_S)
    if until:
        target.zadd(IN_FLIGHT, until, xx=True, gt=True)
