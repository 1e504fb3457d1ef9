"""The life of a looping process: shutdown signals, a heartbeat, and outages that pass."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from incidentwire import archive, store
from incidentwire.telemetry import event_line

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 10.0
CALM_S = (
    60.0  # after this long without an outage, waiting starts from FIRST_WAIT_S again
)

logger = logging.getLogger(__name__)


def shutdown_event() -> threading.Event:
    """Return an event that SIGTERM or SIGINT sets. Call it in the main thread."""
    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopped


def touch_heartbeat(path: str) -> None:
    """Touch the file that the container's health check reads, if one is set."""
    if path:
        Path(path).touch()


def outage_reason(error: BaseException) -> str | None:
    """Return the slug of an outage of store or archive, None for any other error."""
    if outage := archive.outage_of(error):
        return f"archive_{outage.reason}"
    reason = store.outage_of(error)
    return None if reason is None else f"store_{reason}"


@dataclass
class Backoff:
    """Seconds to wait after each outage: doubling, bounded, reset by calm."""

    next_s: float = FIRST_WAIT_S
    last: float = float("-inf")  # monotonic time of the last outage

    def wait_s(self, now: float) -> float:
        """Return how long to wait after an outage at monotonic time `now`."""
        if now - self.last > CALM_S:
            self.next_s = FIRST_WAIT_S
        wait_s = self.next_s
        self.next_s = min(LONGEST_WAIT_S, 2 * wait_s)
        self.last = now
        return wait_s


def run_until_shutdown(
    step: Callable[[], object],
    stopped: threading.Event,
    *,
    heartbeat_file: str = "",
    pause_s: float = 0.0,
) -> None:
    """Call `step` until shutdown, `pause_s` apart; wait out outages of store and archive.

    `step` must hold nothing that an outage invalidates: it is called again afterwards.
    Any other error ends the process.
    """
    backoff = Backoff()
    while not stopped.is_set():
        touch_heartbeat(heartbeat_file)
        wait_s = pause_s
        try:
            step()
        except Exception as error:
            reason = outage_reason(error)
            if reason is None:
                raise
            wait_s = backoff.wait_s(time.monotonic())
            logger.warning(
                event_line("waiting", reason=reason, wait_s=wait_s, error=str(error))
            )
        if wait_s:
            stopped.wait(wait_s)
