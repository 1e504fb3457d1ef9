"""When a feed is asked again: by how often it changes, by what its publisher wants, and more slowly while it fails."""

from __future__ import annotations

import pytest

from incidentwire.settings import Settings
from services.ingest.feeds import schedule as schedule
from services.ingest.feeds.schedule import Feed, PollFailure, PollResult, Validators

DELAYS_S = Settings().feed_retry_delays_s

FEED = Feed(id="f_a", url="https://quay.example/feed", added_at=1, healthy_since=5.0)
SEEN = Validators(etag='"1"', last_modified="Mon", body_digest="d")
NOW = 1_000_000.0


def found(new: int = 0, **more: object) -> PollResult:
    return PollResult(kind="rss", new=new, usable=1, **more)  # type: ignore[arg-type]


def polled(feed: Feed, *news: int, wanted_s: float = 0.0) -> Feed:
    for new in news:
        feed = schedule.changed(feed, feed.next_poll or NOW, found(new), SEEN, wanted_s)
    return feed


def test_the_interval_follows_how_often_the_feed_changes() -> None:
    assert (
        polled(FEED, 50).interval_s == schedule.FIRST_INTERVAL_S
    )  # all is new at first
    assert polled(FEED, 50, 1).interval_s == schedule.FIRST_INTERVAL_S / 2
    assert polled(FEED, 50, 0, 0).interval_s == schedule.FIRST_INTERVAL_S * 4
    assert polled(FEED, *[1] * 20).interval_s == schedule.MIN_INTERVAL_S
    assert polled(FEED, *[0] * 20).interval_s == schedule.MAX_INTERVAL_S


def test_a_publisher_can_ask_to_be_asked_less_often_but_not_never() -> None:
    often = polled(FEED, *[1] * 20)
    wait = polled(often, 1, wanted_s=7200)
    assert wait.next_poll == (wait.last_poll + 7200)
    assert wait.interval_s == schedule.MIN_INTERVAL_S  # the wish may be gone next time
    for_ever = polled(often, 1, wanted_s=1e9)
    assert for_ever.next_poll == for_ever.last_poll + schedule.MAX_INTERVAL_S


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("no-cache", 0),
        ("public, max-age=900", 900),
        ("MAX-AGE=60, s-maxage=900", 60),
        ("s-maxage=900", 0),
        ("max-age=31536000", 0),
        ("max-age=-5", 0),
    ],
)
def test_cache_control_is_heard_where_it_speaks_of_news(
    header: str | None, seconds: float
) -> None:
    assert schedule.max_age_s(header) == seconds


def test_failures_are_tried_again_more_and_more_slowly() -> None:
    timeout = PollFailure(reason="timeout", retryable=True)
    feed = FEED
    waits = []
    for _ in range(12):
        feed = schedule.failed(feed, NOW, timeout, DELAYS_S)
        waits.append((feed.next_poll or 0) - NOW)
    assert waits[:4] == [300, 600, 1200, 2400]
    assert waits[-1] == schedule.MAX_INTERVAL_S
    assert (feed.state, feed.failures, feed.failing_since, feed.reason) == (
        "failing",
        12,
        NOW,
        "timeout",
    )


def test_retry_after_is_kept_to_within_a_day() -> None:
    for asked, kept in (
        (7200.0, 7200.0),
        (10.0, 300.0),
        (1e9, schedule.MAX_INTERVAL_S),
    ):
        after = schedule.failed(
            FEED,
            NOW,
            PollFailure(reason="http_status", retryable=True, retry_after_s=asked),
            DELAYS_S,
        )
        assert after.next_poll == NOW + kept


def test_a_success_ends_the_failure_and_begins_a_new_run() -> None:
    failing = schedule.failed(
        polled(FEED, 1), NOW, PollFailure(reason="timeout", retryable=True), DELAYS_S
    )
    healthy = schedule.changed(failing, NOW + 300, found(), SEEN, 0.0)
    assert (healthy.state, healthy.failures, healthy.reason, healthy.failing_since) == (
        "ok",
        0,
        "",
        0.0,
    )
    assert healthy.healthy_since == NOW + 300
    assert schedule.unchanged(failing, NOW + 300, 0.0, None, DELAYS_S).state == "ok"


def test_not_modified_hides_no_earlier_failure_of_that_content() -> None:
    bad = schedule.unreadable(
        FEED, NOW, PollFailure(reason="ill_formed", detail="line 3"), SEEN, DELAYS_S
    )
    down = schedule.failed(
        bad, NOW + 1, PollFailure(reason="timeout", retryable=True), DELAYS_S
    )
    still = schedule.unchanged(down, NOW + 2, 0.0, None, DELAYS_S)
    assert (still.state, still.reason, still.detail, still.failures) == (
        "failing",
        "ill_formed",
        "line 3",
        3,
    )
    assert still.failing_since == NOW
    mended = schedule.changed(still, NOW + 3, found(1), SEEN, 0.0)
    assert schedule.unchanged(mended, NOW + 4, 0.0, None, DELAYS_S).state == "ok"


def test_content_that_was_not_dealt_with_whole_is_looked_at_again() -> None:
    for left in (found(500, more=True), found(1, deferred=2)):
        after = schedule.changed(FEED, NOW, left, SEEN, 0.0)
        assert (after.etag, after.last_modified, after.body_digest) == ("", "", "")
    more = schedule.changed(FEED, NOW, found(500, more=True), SEEN, 7200.0)
    assert more.next_poll == NOW + schedule.MIN_INTERVAL_S


def test_gone_is_the_end() -> None:
    gone = schedule.failed(FEED, NOW, PollFailure(reason="gone", gone=True), DELAYS_S)
    assert (gone.state, gone.next_poll) == ("gone", None)
    assert (
        schedule.reactivated(gone, NOW).state,
        schedule.reactivated(gone, NOW).next_poll,
    ) == ("new", NOW)


def test_the_memory_of_entries_is_bounded_and_keeps_the_latest() -> None:
    seen = {str(n): "" for n in range(schedule.MAX_SEEN + 10)}
    kept = schedule.bounded(seen)
    assert len(kept) == schedule.MAX_SEEN
    assert "0" not in kept
    assert str(schedule.MAX_SEEN + 9) in kept
