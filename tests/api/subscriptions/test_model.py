"""When digests are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.subscriptions.model import Pace, Schedule


@pytest.mark.parametrize(
    ("schedule", "after", "due"),
    [
        (Schedule(pace=Pace.HOURLY), "2026-03-01T10:20:00", "2026-03-01T11:00:00"),
        (
            Schedule(pace=Pace.DAILY, hour=8),
            "2026-03-01T07:59:00",
            "2026-03-01T08:00:00",
        ),
        (
            Schedule(pace=Pace.DAILY, hour=8),
            "2026-03-01T08:00:00",
            "2026-03-02T08:00:00",
        ),
        (
            Schedule(pace=Pace.DAILY, hour=8, zone="Europe/Berlin"),
            "2026-03-28T07:00:00",  # the clocks go forward in the night
            "2026-03-29T06:00:00",
        ),
        (
            Schedule(pace=Pace.WEEKLY, weekday=0, hour=9, zone="Asia/Shanghai"),
            "2026-11-28T00:00:00",
            "2026-11-30T01:00:00",
        ),
    ],
)
def test_digests_are_due_by_the_clock_of_their_zone(
    schedule: Schedule, after: str, due: str
) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert schedule.next_due(moment) == datetime.fromisoformat(due).replace(tzinfo=UTC)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),
    st.sampled_from([Pace.HOURLY, Pace.DAILY, Pace.WEEKLY]),
    st.integers(0, 23),
    st.integers(0, 6),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
)
def test_the_next_digest_is_always_later_and_never_far(
    moment: datetime, pace: Pace, hour: int, weekday: int, zone: str
) -> None:
    after = moment.replace(tzinfo=UTC)
    due = Schedule(pace=pace, hour=hour, weekday=weekday, zone=zone).next_due(after)
    assert after < due <= after + timedelta(days=8)
