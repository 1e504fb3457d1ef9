"""What a process that loops needs: to be asked to stop (SIGTERM, SIGINT), and to show that it still goes round."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType


def shutdown_event() -> threading.Event:
    """An event that is set once the process is asked to stop. Call it in the main thread."""
    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopped


def touch_heartbeat(path: str) -> None:
    """Touch the file that the container's health check looks at; nothing where no file is set."""
    if path:
        Path(path).touch()
