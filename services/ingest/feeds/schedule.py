"""The state of a feed, and what a poll makes of it: when to ask again, and what people see. Pure.

A feed that brings news is asked twice as often, one that brings none half as often, within MIN_INTERVAL_S and
MAX_INTERVAL_S, and never more often than its publisher wants.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

FIRST_INTERVAL_S = 3_600.0  # until the feed has shown how often it changes
MIN_INTERVAL_S = 300.0
MAX_INTERVAL_S = 86_400.0
RETRY_S = 300.0  # after the first failure; doubled with each further one, up to MAX_INTERVAL_S
RETRY_PERMANENT_S = 3_600.0  # where asking again soon is unlikely to help
MOVE_PAUSE_S = 86_400.0  # between two moves of a feed: a server that moves it about must not fill the log
MAX_SEEN = (
    6_000  # entries remembered: all of the document, and those that have left it lately
)

NEW, OK, FAILING, GONE = "new", "ok", "failing", "gone"
STATES = (NEW, OK, FAILING, GONE)


@dataclass(frozen=True, kw_only=True)
class Feed:
    """What is known of a feed. Times are seconds since the epoch, 0 for never; `next_poll` is None once it is gone.

    `unread_reason` stands as long as the content that the validators (etag, last_modified, body_digest) name could
    not be read, so that "not modified" cannot hide it. `healthy_since` names the run of successes that a failure
    ends: its event is appended once per run. `seen` maps item ids to what the feed said of their last update.
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
    next_poll: float | None = 0.0
    etag: str = ""
    last_modified: str = ""
    body_digest: str = ""
    redirected_to: str = ""
    moved: bool = False  # every redirect to there is a permanent one
    moved_from: str = (
        ""  # the feed that this one was, at an address that redirects here for good
    )
    moved_at: float = 0.0
    entries: int = 0
    handed_in: int = 0
    seen: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class PollFailure:
    """Why a poll brought nothing. `reason` is a stable slug."""

    reason: str
    detail: str = ""
    retryable: bool = False
    retry_after_s: float | None = None
    gone: bool = False


@dataclass(frozen=True, kw_only=True)
class Validators:
    """What names the content that was dealt with; all empty where it has to be looked at again."""

    etag: str = ""
    last_modified: str = ""
    body_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class PollResult:
    """What one reading came to: entries in all, `new` ones to this feed, of which `brought` were new to the log;
    `more` new ones are left for the next poll, as are `held` ones that were updated and cannot be asked for yet."""

    kind: str
    title: str = ""
    problem: str = ""
    entries: int = 0
    new: int = 0
    brought: int = 0
    more: bool = False
    held: int = 0
    refetched: int = 0
    seen: Mapping[str, str] = field(default_factory=dict)


def changed(
    feed: Feed, now: float, found: PollResult, validators: Validators, wanted_s: float
) -> Feed:
    """The feed was read, and what it has was handed in. While some of it waits for another poll, the content has to
    be looked at again: no validators are kept."""
    kept = Validators() if found.more or found.held else validators
    was_read = replace(
        feed,
        kind=found.kind,
        title=feed.title or found.title,
        problem=found.problem,
        entries=found.entries,
        unread_reason="",
        unread_detail="",
        seen=bounded(found.seen),
        handed_in=feed.handed_in + found.brought,
        last_new=now if found.new else feed.last_new,
        etag=kept.etag,
        last_modified=kept.last_modified,
        body_digest=kept.body_digest,
    )
    if found.more:
        return _succeeded(was_read, now, MIN_INTERVAL_S, 0.0)
    first = (
        feed.last_success == 0.0
    )  # everything is new to us: that says nothing of how often it changes
    interval_s = (
        feed.interval_s if first else next_interval_s(feed.interval_s, found.new)
    )
    return _succeeded(was_read, now, interval_s, wanted_s)


def unchanged(feed: Feed, now: float, wanted_s: float) -> Feed:
    """The content is that of an earlier poll. If that could not be read, the feed goes on failing."""
    if feed.unread_reason:
        return failed(
            feed, now, PollFailure(reason=feed.unread_reason, detail=feed.unread_detail)
        )
    return _succeeded(feed, now, next_interval_s(feed.interval_s, 0), wanted_s)


def unreadable(
    feed: Feed, now: float, failure: PollFailure, validators: Validators
) -> Feed:
    """Content came, and could not be read."""
    noted = replace(
        feed,
        unread_reason=failure.reason,
        unread_detail=failure.detail,
        etag=validators.etag,
        last_modified=validators.last_modified,
        body_digest=validators.body_digest,
    )
    return failed(noted, now, failure)


def failed(feed: Feed, now: float, failure: PollFailure) -> Feed:
    """One more failure in a row; `gone` ends the polling."""
    failures = feed.failures + 1
    first_s = RETRY_S if failure.retryable else RETRY_PERMANENT_S
    wait_s = min(MAX_INTERVAL_S, first_s * 2.0 ** min(failures - 1, 20))
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
    """Half after news, double without."""
    return min(
        MAX_INTERVAL_S, max(MIN_INTERVAL_S, interval_s / 2 if new else interval_s * 2)
    )


def max_age_s(cache_control: str | None) -> float:
    """How long the publisher calls the feed fresh; 0 where nothing is said. More than a day is a rule for all files
    of a server and says nothing about news."""
    match = re.search(
        r"(?:^|[,\s])max-age\s*=\s*\"?([0-9]{1,9})", (cache_control or "").lower()
    )
    age_s = float(match[1]) if match else 0.0
    return age_s if age_s <= MAX_INTERVAL_S else 0.0


def bounded(seen: Mapping[str, str]) -> dict[str, str]:
    """At most MAX_SEEN of the memory, those noted last (the document's own) in any case."""
    return dict(list(seen.items())[-MAX_SEEN:])


def reactivated(feed: Feed, now: float) -> Feed:
    """A feed that was gone, and that somebody adds again: it is asked at once."""
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
    """Whether the feed is to be polled where it leads from now on. What leads to no readable feed leads nowhere: many
    sites redirect what is gone to their front page, for good."""
    return feed.state == OK and feed.moved and now - feed.moved_at >= MOVE_PAUSE_S


def _succeeded(feed: Feed, now: float, interval_s: float, wanted_s: float) -> Feed:
    recovered = feed.state in (FAILING, GONE)
    return replace(
        feed,
        state=OK,
        reason="",
        detail="",
        failures=0,
        failing_since=0.0,
        healthy_since=now if recovered else feed.healthy_since,
        interval_s=interval_s,
        last_poll=now,
        last_success=now,
        next_poll=now + min(MAX_INTERVAL_S, max(interval_s, wanted_s)),
    )
