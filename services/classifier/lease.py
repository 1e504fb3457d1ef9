"""While a worker works on items it says so, by moving the time at which the keeper would look at them.

A worker that dies stops renewing, and the keeper queues its items again within VISIBILITY_TIMEOUT_S. A worker that
hangs stops too: the lease is renewed only while items come to their end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType

import redis

from incidentwire.log.event_log import IN_FLIGHT, VISIBILITY_TIMEOUT_S

RENEW_S = 10.0
STALLED_S = 120.0  # longer than any one item may take: fetch, extraction and classification have their own limits


class Lease:
    """`with Lease(connection, ids) as lease: … lease.done(id)`."""

    def __init__(self, connection: redis.Redis, ids: Sequence[str]) -> None:
        self.connection, self.ids = connection, set(ids)
        self._progress = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        self._extend()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def done(self, item_id: str) -> None:
        """This one came to its end, or waits: its place in flight is no longer ours."""
        self.ids.discard(item_id)
        self._progress = time.monotonic()

    def _renew(self) -> None:
        while not self._stop.wait(RENEW_S):
            if time.monotonic() - self._progress > STALLED_S:
                return
            try:
                self._extend()
            except redis.exceptions.ConnectionError:
                continue  # the worker itself will notice, and fail loudly

    def _extend(self) -> None:
        if not self.ids:
            return
        until = time.time() + VISIBILITY_TIMEOUT_S
        # XX: an item that has ended meanwhile must not come back; GT: one that waits for longer keeps its time
        self.connection.zadd(
            IN_FLIGHT, dict.fromkeys(sorted(self.ids), until), xx=True, gt=True
        )
