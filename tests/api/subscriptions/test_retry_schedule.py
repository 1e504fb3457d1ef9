"""When failed deliveries are tried again, and given up."""

from __future__ import annotations

import random

from services.api.subscriptions.retry_schedule import (
    DISABLE_AFTER_S,
    JITTER,
    MAX_RETRY_AFTER_S,
    RETRY_DELAYS_S,
    Failure,
    is_exhausted,
    retry_delay_s,
    warning_due,
)


def test_retries_follow_the_schedule_with_jitter_and_honour_retry_after() -> None:
    rng = random.Random(7)
    assert RETRY_DELAYS_S == (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
    failure = Failure(reason="http_status")
    shares = []
    for attempt, delay in enumerate(RETRY_DELAYS_S, start=1):
        shares.append(retry_delay_s(attempt, failure, rng) / delay)
    assert retry_delay_s(99, failure, rng) > 72_000
    assert 1 - JITTER <= min(shares) < 1 < max(shares) <= 1 + JITTER
    asked = Failure(reason="http_status", retry_after_s=1_000)
    assert retry_delay_s(1, asked, rng) == 1_000
    endless = Failure(reason="http_status", retry_after_s=1e12)
    assert retry_delay_s(1, endless, rng) == MAX_RETRY_AFTER_S


def test_each_warning_comes_once_and_the_end_after_five_days() -> None:
    warned = 0
    seen = []
    for hour in range(0, 121):
        now = hour * 3_600.0
        reached = warning_due(0.0, now, warned)
        if reached:
            seen.append(reached)
            warned = reached
    assert seen == [50, 70, 90]
    assert not is_exhausted(0.0, DISABLE_AFTER_S - 1)
    assert is_exhausted(0.0, DISABLE_AFTER_S)
