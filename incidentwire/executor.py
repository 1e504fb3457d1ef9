"""Where a blocking call runs: here, or in a thread beside an event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Executor(Protocol):
    """Calls a function and returns its result: here, or in a thread meanwhile."""

    def __call__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Return `function(*args)`."""


def run_here(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Call the function in this thread."""
    return function(*args)
