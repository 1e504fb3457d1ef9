"""What a subscription is, when it is due, and when a failed delivery is tried again. Pure.

A subscription is a cursor. Every event of the log up to `scanned` has been held against
its filter; the positions that matched and are not delivered yet are its pending rows. A
paused, failing or disabled subscription only stops moving.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo


class Channel(StrEnum):
    EMAIL = "email"
    WEBHOOK = "webhook"
    FEED = "feed"  # Atom and JSON Feed at a secret address; nothing is sent
    PULL = "pull"  # a consumer group: members lease and acknowledge events


class Scope(StrEnum):
    """Which changes of incidents a subscription without `type:` in its filter reports."""

    NEW = "new"
    UPDATES = "updates"


class Status(StrEnum):
    PENDING = "pending"  # the address or endpoint has not confirmed yet
    ACTIVE = "active"
    PAUSED = "paused"  # by its owner
    DISABLED = "disabled"  # by us, after failures or a permanent refusal


class Pace(StrEnum):
    AT_ONCE = "at_once"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a digest is sent: at `hour` (0 to 23) in `zone` (IANA), on `weekday` (0 is Monday)."""

    pace: Pace = Pace.AT_ONCE
    hour: int = 8
    weekday: int = 0
    zone: str = "UTC"

    def next_due(self, after: datetime) -> datetime:
        """Return the first moment later than `after` (aware) at which a digest is due."""
        if self.pace is Pace.AT_ONCE:
            return after
        local = after.astimezone(ZoneInfo(self.zone))
        if self.pace is Pace.HOURLY:
            hour = after.replace(minute=0, second=0, microsecond=0)
            return hour + timedelta(hours=1)
        days = (self.weekday - local.weekday()) % 7 if self.pace is Pace.WEEKLY else 0
        step = 7 if self.pace is Pace.WEEKLY else 1
        while True:
            # Wall-clock time: a zone's shift to summer time moves the digest with it.
            day = local.date() + timedelta(days=days)
            due = datetime.combine(day, time(self.hour), tzinfo=ZoneInfo(self.zone))
            if due.astimezone(UTC) > after:
                return due.astimezone(UTC)
            days += step

    def first_due(self) -> float:
        """Return when the first digest is due in epoch seconds, 0 for delivery at once."""
        if self.pace is Pace.AT_ONCE:
            return 0.0
        return self.next_due(datetime.now(UTC)).timestamp()


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """One row of the store. Times are epoch seconds.

    `target` is an address or a URL, empty for a feed and a consumer group. `scanned` is
    the last position held against the filter, None while it follows the head of the log.
    `failing_since` is the time of the first failure after a success; `warned` the highest
    share (percent) of the disabling period at which the owner was warned. `next_at` is when
    a digest is due, 0 for delivery at once; `retry_at` the end of the current backoff.
    """

    id: str
    name: str
    owner: str
    channel: Channel
    target: str
    filter: str
    scope: Scope
    schedule: Schedule
    template: str = "standard"
    contact: str = ""
    status: Status = Status.ACTIVE
    reason: str = ""
    created: float = 0.0
    scanned: int | None = None
    next_at: float = 0.0
    retry_at: float = 0.0
    attempt: int = 0
    failing_since: float | None = None
    warned: int = 0


# -- retries -------------------------------------------------------------------------

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
