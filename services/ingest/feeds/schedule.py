"""The state of a feed, and what a poll makes of it: when to poll again. Pure.

A feed with new entries is polled twice as often, one without half as often, within
MIN_INTERVAL_S and MAX_INTERVAL_S, and never more often than its publisher wants.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

FIRST_INTERVAL_S = 3_600.0  # until the feed has shown how often it changes
MIN_INTERVAL_S = 300.0
MAX_INTERVAL_S = 86_400.0
PERMANENT_MIN_S = 3_600.0  # after a failure that asking again soon is unlikely to help
MOVE_PAUSE_S = 86_400.0  # between two moves: a server must not fill the log with them
# Entries remembered: all of the document, and those that have left it lately.
MAX_SEEN = 6_000
# A feed is silent once it has had no new entry for SILENCE_FACTOR times its longest
# pause so far, and for MIN_SILENCE_S. Before MIN_PAUSES were seen, for FIRST_SILENCE_S.
SILENCE_FACTOR = 2.0
MIN_SILENCE_S = 86_400.0
MIN_PAUSES = 3
FIRST_SILENCE_S = 30 * 86_400.0

NEW = "new"
OK = "ok"
SILENT = "silent"
FAILING = "failing"
GONE = "gone"
STATES = (NEW, OK, SILENT, FAILING, GONE)
EMPTY = "empty"  # why a feed is silent: it has no entry that can be used …
QUIET = "quiet"  # … or none that is new, for longer than ever before


@dataclass(frozen=True, kw_only=True)
class Feed:
    """What is known of a feed.

    Times are seconds since the epoch, 0 for never; `next_poll` is None once the feed is
    gone. `unread_reason` stays while the content that the validators (etag,
    last_modified, body_digest) name could not be read, so that "not modified" cannot
    hide it. `healthy_since` names the run of successes that a failure ends: its event
    is appended once per run. `longest_pause_s` is the longest time between two polls
    with new entries, of `pauses` so far. `seen` maps item ids to a digest of what the
    feed said of their last update.
    """

    id: str
    url: str
    added_at: int  # position
    who: str = ""
    title: str = ""
    state: str = NEW
    kind: str = ""
    problem: str = ""
    reason: str = ""
    detail: str = ""
    failures: int = 0
    failing_since: float = 0.0
    unread_reason: str = ""
    unread_detail: str = ""
    healthy_since: float = 0.0
    interval_s: float = FIRST_INTERVAL_S
    last_poll: float = 0.0
    last_success: float = 0.0
    last_new: float = 0.0
    longest_pause_s: float = 0.0
    pauses: int = 0
    silent: str = ""  # EMPTY or QUIET
    next_poll: float | None = 0.0
    etag: str = ""
    last_modified: str = ""
    body_digest: str = ""
    redirected_to: str = ""
    moved: bool = False  # every redirect to there is a permanent one
    moved_from: str = ""  # id at an address that redirects here permanently
    moved_at: float = 0.0
    entries: int = 0
    handed_in: int = 0
    seen: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class PollFailure:
    """Why a poll failed. `reason` is a stable slug, `detail` our own words."""

    reason: str
    detail: str = ""
    retryable: bool = False
    retry_after_s: float | None = None
    gone: bool = False


@dataclass(frozen=True, kw_only=True)
class Validators:
    """What names the content that was handled; empty if it has to be read again."""

    etag: str = ""
    last_modified: str = ""
    body_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class PollResult:
    """What came of one document.

    Of all entries, `usable` ones have an address; `new` ones are new to this feed, of
    which `created` were new to the log. `more` of them wait for the next poll, as do
    `deferred` updated ones that cannot be fetched again yet.
    """

    kind: str
    title: str = ""
    problem: str = ""
    entries: int = 0
    usable: int = 0
    new: int = 0
    created: int = 0
    more: bool = False
    deferred: int = 0
    refetched: int = 0
    seen: Mapping[str, str] = field(default_factory=dict)


def changed(
    feed: Feed, now: float, found: PollResult, validators: Validators, wanted_s: float
) -> Feed:
    """Return the state after the document was read and its entries were submitted.

    While some of them wait for another poll, no validators are kept: the content has
    to be read again.
    """
    kept = Validators() if found.more or found.deferred else validators
    after = replace(
        feed,
        kind=found.kind,
        title=feed.title or found.title,
        problem=found.problem,
        entries=found.entries,
        unread_reason="",
        unread_detail="",
        seen=bounded(found.seen),
        handed_in=feed.handed_in + found.created,
        etag=kept.etag,
        last_modified=kept.last_modified,
        body_digest=kept.body_digest,
        silent="" if found.usable else EMPTY,
    )
    if found.new:
        after = _with_news(after, now)
    if found.more:
        return _succeeded(after, now, MIN_INTERVAL_S, 0.0)
    # At first everything is new: that says nothing of how often the feed changes.
    is_first = feed.last_success == 0.0
    interval_s = (
        feed.interval_s if is_first else next_interval_s(feed.interval_s, found.new)
    )
    return _succeeded(after, now, interval_s, wanted_s)


def unchanged(
    feed: Feed,
    now: float,
    wanted_s: float,
    validators: Validators | None,
    retry_delays_s: Sequence[float],
) -> Feed:
    """Return the state after a poll that met the content of an earlier one.

    `validators` are new ones for the same content. If that content could not be read,
    the feed keeps failing.
    """
    if validators is not None:
        feed = replace(
            feed, etag=validators.etag, last_modified=validators.last_modified
        )
    if feed.unread_reason:
        failure = PollFailure(reason=feed.unread_reason, detail=feed.unread_detail)
        return failed(feed, now, failure, retry_delays_s)
    return _succeeded(feed, now, next_interval_s(feed.interval_s, 0), wanted_s)


def unreadable(
    feed: Feed,
    now: float,
    failure: PollFailure,
    validators: Validators,
    retry_delays_s: Sequence[float],
) -> Feed:
    """Return the state after content came that could not be read."""
    noted = replace(
        feed,
        unread_reason=failure.reason,
        unread_detail=failure.detail,
        etag=validators.etag,
        last_modified=validators.last_modified,
        body_digest=validators.body_digest,
    )
    return failed(noted, now, failure, retry_delays_s)


def failed(
    feed: Feed,
    now: float,
    failure: PollFailure,
    retry_delays_s: Sequence[float],
) -> Feed:
    """Return the state after one more failure in a row; `gone` ends the polling.

    The last of `retry_delays_s` stands for all further failures.
    """
    failures = feed.failures + 1
    wait_s = retry_delays_s[min(failures, len(retry_delays_s)) - 1]
    if not failure.retryable:
        wait_s = max(wait_s, PERMANENT_MIN_S)
    wait_s = max(wait_s, min(MAX_INTERVAL_S, failure.retry_after_s or 0.0))
    return replace(
        feed,
        state=GONE if failure.gone else FAILING,
        reason=failure.reason,
        detail=failure.detail,
        failures=failures,
        failing_since=feed.failing_since or now,
        last_poll=now,
        next_poll=None if failure.gone else now + wait_s,
    )


def next_interval_s(interval_s: float, new: int) -> float:
    """Return half the interval after news, twice the interval without."""
    wanted_s = interval_s / 2 if new else interval_s * 2
    return min(MAX_INTERVAL_S, max(MIN_INTERVAL_S, wanted_s))


def max_age_s(cache_control: str | None) -> float:
    """Return how long the publisher calls the feed fresh; 0 if nothing is said.

    More than a day is a rule for all files of a server and says nothing about news.
    """
    match = re.search(
        r"(?:^|[,\s])max-age\s*=\s*\"?([0-9]{1,9})", (cache_control or "").lower()
    )
    age_s = float(match[1]) if match else 0.0
    return age_s if age_s <= MAX_INTERVAL_S else 0.0


def bounded(seen: Mapping[str, str]) -> dict[str, str]:
    """Return at most MAX_SEEN marks: the last noted, among them the document's own."""
    return dict(list(seen.items())[-MAX_SEEN:])


def reactivated(feed: Feed, now: float) -> Feed:
    """Return a feed that was gone and is added again: due at once."""
    return replace(
        feed,
        state=NEW,
        failures=0,
        failing_since=0.0,
        reason="",
        detail="",
        healthy_since=now,
        next_poll=now,
    )


def has_moved(feed: Feed, now: float) -> bool:
    """Return whether the feed is to be polled at its redirect's target from now on.

    A permanent redirect is followed only once its target has been read as a feed: many
    sites redirect dead addresses to their home page.
    """
    is_read = feed.state in (OK, SILENT)
    return is_read and feed.moved and now - feed.moved_at >= MOVE_PAUSE_S


def silence(feed: Feed, now: float) -> str:
    """Return why a feed that answers is silent: EMPTY, QUIET, or "" if it is not."""
    if feed.silent == EMPTY:
        return EMPTY
    if not feed.last_new:
        return ""
    limit_s = max(MIN_SILENCE_S, SILENCE_FACTOR * feed.longest_pause_s)
    if feed.pauses < MIN_PAUSES:
        limit_s = max(limit_s, FIRST_SILENCE_S)
    return QUIET if now - feed.last_new > limit_s else ""


def _with_news(feed: Feed, now: float) -> Feed:
    if not feed.last_new:
        return replace(feed, last_new=now)
    pause_s = now - feed.last_new
    return replace(
        feed,
        last_new=now,
        longest_pause_s=max(feed.longest_pause_s, pause_s),
        pauses=feed.pauses + 1,
    )


def _succeeded(feed: Feed, now: float, interval_s: float, wanted_s: float) -> Feed:
    has_recovered = feed.state in (FAILING, GONE)
    silent = silence(feed, now)
    return replace(
        feed,
        state=SILENT if silent else OK,
        silent=silent,
        reason="",
        detail="",
        failures=0,
        failing_since=0.0,
        healthy_since=now if has_recovered else feed.healthy_since,
        interval_s=interval_s,
        last_poll=now,
        last_success=now,
        next_poll=now + min(MAX_INTERVAL_S, max(interval_s, wanted_s)),
    )
