"""How a process that loops is asked to stop: SIGTERM or SIGINT set an event that the loop waits on."""

from __future__ import annotations

import signal
import threading
from types import FrameType


def stop_requested() -> threading.Event:
    """An event that is set once the process is asked to stop. Call it in the main thread."""
    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopped
