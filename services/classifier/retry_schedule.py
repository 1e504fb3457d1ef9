"""When a failed item is tried again, and when it is given up. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from incidentwire.events import Event, ItemDeferred, ItemRejected
from incidentwire.items import Item
from services.classifier.fetching.result import FetchFailure

MAX_DETAIL = 200  # characters: enough for a sentence, too little for a page


def retry_or_reject(
    item: Item,
    failure: FetchFailure,
    delays_s: Sequence[float],
    max_wait_s: float,
    now: datetime,
) -> Event:
    """Return the event of a failure: a deferral if an attempt is left, else a rejection.

    `delays_s` are the waits before each attempt. A server's Retry-After counts up to
    `max_wait_s`.
    """
    attempt = item.attempt + 1
    detail = failure.detail[:MAX_DETAIL]
    if not failure.retryable:
        return ItemRejected(reason=failure.reason, detail=detail)
    if attempt > len(delays_s):
        return ItemRejected(
            reason=failure.reason,
            detail=f"{detail} ({attempt} attempts)",
            retryable=True,
        )
    wait_s = max(delays_s[attempt - 1], min(failure.retry_after_s or 0.0, max_wait_s))
    due = now + timedelta(seconds=wait_s)
    next_try = due.isoformat(timespec="seconds").replace("+00:00", "Z")
    return ItemDeferred(
        reason=failure.reason, attempt=attempt, next_try=next_try, detail=detail
    )
