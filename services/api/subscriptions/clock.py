"""Notice that the clock of the machine was set, as NTP does after a wrong start."""

from __future__ import annotations

import time
from dataclasses import dataclass

MIN_STEP_S = 2.0  # less is a clock that is adjusted slowly, or a busy machine


@dataclass(frozen=True, kw_only=True)
class ClockReading:
    """The wall clock (epoch s) and one that nobody sets (s), read together."""

    wall: float
    steady: float

    @classmethod
    def now(cls) -> ClockReading:
        return cls(wall=time.time(), steady=time.monotonic())

    def step_since(self, before: ClockReading) -> float:
        """Return by how many seconds the wall clock was set meanwhile; back is negative."""
        step = (self.wall - before.wall) - (self.steady - before.steady)
        return step if abs(step) >= MIN_STEP_S else 0.0
