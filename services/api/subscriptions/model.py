"""What a subscription is, and when its next digest is due. Pure.

A subscription is a cursor. Every event of the log up to `scanned` has been held against
its filter; the positions that matched and are not delivered yet are its pending rows. A
paused, failing or disabled subscription only stops moving.
"""

from __future__ import annotations

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
    `language` is that of what is sent: a key of catalogue.LANGUAGES.
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
    language: str = "en"
