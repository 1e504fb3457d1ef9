"""When a failed delivery is tried again, and when it is given up. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

# The example schedule of Standard Webhooks 1.0.0, in seconds after the attempt before.
RETRY_DELAYS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1  # share of the delay; keeps endpoints of one outage apart
DISABLE_AFTER_S = 5 * 86_400
WARN_AT_PERCENT = (50, 70, 90)
MAX_RETRY_AFTER_S = 86_400


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a delivery failed. `permanent` ends the subscription; `retry_after_s` is the server's wish."""

    reason: str
    detail: str = ""
    permanent: bool = False
    retry_after_s: float | None = None


def retry_delay_s(attempt: int, failure: Failure, rng: random.Random) -> float:
    """Return the seconds until the next attempt after `attempt` failures in a row (from 1)."""
    delay = float(RETRY_DELAYS_S[min(attempt, len(RETRY_DELAYS_S)) - 1])
    delay *= 1 + rng.uniform(-JITTER, JITTER)
    if failure.retry_after_s is not None:
        delay = max(delay, min(failure.retry_after_s, MAX_RETRY_AFTER_S))
    return delay


def warning_due(failing_since: float, now: float, warned: int) -> int:
    """Return the newly reached percentage of the disabling period, or 0."""
    percent = 100 * (now - failing_since) / DISABLE_AFTER_S
    reached = [step for step in WARN_AT_PERCENT if step <= percent and step > warned]
    return max(reached, default=0)


def is_exhausted(failing_since: float, now: float) -> bool:
    """Return whether the endpoint has failed for so long that it is disabled."""
    return now - failing_since >= DISABLE_AFTER_S
