"""Waiting for a condition on real time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
POLL_S = 0.02


def eventually(
    condition: Callable[[], Result],
    what: str = "",
    patience_s: float = 60.0,
    details: Callable[[], str] = lambda: "",
) -> Result:
    """Return the first true result of `condition`; fail by name after `patience_s`."""
    pause = threading.Event()
    deadline = time.monotonic() + patience_s
    while not (result := condition()):
        assert time.monotonic() < deadline, (
            f"never came true: {what or condition} {details()}"
        )
        pause.wait(POLL_S)
    return result
