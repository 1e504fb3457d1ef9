"""Admission control: refuse submissions before the system has more than it can end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import redis

from incidentwire.log.event_log import IN_FLIGHT
from incidentwire.settings import Settings
from services.ingest.errors import Overloaded

LOAD_CHECK_S = 1.0  # the store is asked how full it is at most this often
# Store memory of one item from its submission to its end: its events, its subject's
# hash, its job and its links. Measured by tests/ingest/test_admission.py.
ITEM_BYTES = 4_000
RETRY_S = 30


class Admission:
    """Decides whether more may be accepted. One per process."""

    def __init__(
        self,
        settings: Settings,
        connection: redis.Redis,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.connection = connection
        self.clock = clock
        self._checked_at = float("-inf")
        self._in_flight = 0
        self._used_bytes = 0
        self._max_bytes = 0

    def admit(self, items: int = 0) -> None:
        """Reserve room for `items` new items; 0 asks only whether there is any.

        What is in flight still needs up to ITEM_BYTES each: it counts as if it were
        stored already, so that what was accepted can always be ended. Raises
        Overloaded.
        """
        if self.clock() - self._checked_at > LOAD_CHECK_S:
            self._measure()
        in_flight = self._in_flight + max(items, 1)
        if in_flight > self.settings.max_in_flight:
            raise Overloaded(
                f"{self._in_flight} items are in flight; nothing was accepted. "
                "Try again later."
            )
        needed = self._used_bytes + in_flight * ITEM_BYTES
        if self._max_bytes and needed > self.settings.max_store_share * self._max_bytes:
            raise Overloaded(
                "The store is nearly full; nothing was accepted. Try again later."
            )
        self._in_flight += items

    def _measure(self) -> None:
        store: Any = self.connection
        memory = store.info("memory")
        self._in_flight = store.zcard(IN_FLIGHT)
        self._used_bytes = memory["used_memory"]
        self._max_bytes = memory["maxmemory"]
        self._checked_at = self.clock()
