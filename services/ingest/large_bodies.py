"""Time slices on the event loop: work on a large body never keeps small requests waiting.

Parsing holds the loop and cannot be interrupted. So large bodies wait for one another, small
requests go first between two lines, and after a long line the loop has a rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import thread_time

import gevent
from gevent.lock import BoundedSemaphore

LARGE_BYTES = 500_000  # larger bodies wait for one another; 4,000 URLs are smaller
PIECE_S = 0.001  # CPU time between two looks at other requests
LONG_S = 0.01  # CPU time after which the loop has a rest
REST = 15  # times as long as the work: large texts take a sixteenth of the time
SLOWLY = 3  # likewise, for input that is only received, or refused
MAX_REST_S = 5.0


class TimeSlice:
    """A stretch of work on one body."""

    def __init__(self) -> None:
        self._since = thread_time()

    def pause(self, rest: float = 0) -> None:
        """Let other requests go on if the work since the last pause was long.

        The loop rests `rest` times as long as that work. `gevent.sleep(0)` would not
        do: the loop runs up to a thousand such callbacks before it looks at a socket.
        """
        worked = thread_time() - self._since
        if worked < PIECE_S:
            return
        gevent.idle()
        if worked > LONG_S:
            rest = REST
        if rest:
            gevent.sleep(min(worked * rest, MAX_REST_S))
        self._since = thread_time()


class TimeSlices:
    """Shares the event loop of one process. One per process."""

    def __init__(self) -> None:
        self._large = BoundedSemaphore(1)

    @contextmanager
    def take(self, size: int) -> Iterator[TimeSlice]:
        """Yield a time slice, for a large body once no other has one; `size` in bytes."""
        if size <= LARGE_BYTES:
            yield TimeSlice()
            return
        with self._large:
            yield TimeSlice()
