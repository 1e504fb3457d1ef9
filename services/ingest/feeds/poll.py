"""One poll of one feed: ask, read, hand in, and leave the state behind, in that order.

A poll may die anywhere and be done again, by this process or another: items, refetches and events are claimed in the
log, and validators are kept only once everything that the content has was handed in.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic

from incidentwire.events import FeedFailed
from incidentwire.net.client import (
    RETRYABLE_STATUSES,
    HttpClient,
    OutboundError,
    Response,
    retry_after_s,
)
from incidentwire.net.rate_limit import HostBusy, HostRateLimiter, host_of
from incidentwire.telemetry import event_line
from services.ingest.errors import Overloaded
from services.ingest.feeds import redirects, schedule, submit
from services.ingest.feeds.model import ParsedFeed, joined, unread
from services.ingest.feeds.sandbox import parse_in_sandbox
from services.ingest.feeds.schedule import Feed, PollFailure, Validators
from services.ingest.feeds.store import FeedLease, FeedStore
from services.ingest.submit import Submitter

ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml, "
    "application/xml;q=0.9, text/xml;q=0.9, application/json;q=0.8, */*;q=0.1"
)
REASONS = {
    404: "not_found",
    401: "forbidden",
    403: "forbidden",
    410: "gone",
    429: "too_many_requests",
}
PUT_OFF_S = 60.0  # a poll that may hand in nothing, or may not ask, is put off by this
HOST_PATIENCE_S = 12.0  # for a place at the host: longer than the longest Crawl-delay that workers honour

Read = Callable[..., ParsedFeed]  # the shape of feed_parsing.read
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Poller:
    """What a poll needs. `clock` gives seconds since the epoch."""

    feeds: FeedStore
    submitter: Submitter
    door: HttpClient
    slots: HostRateLimiter
    clock: Callable[[], float]
    read: Read = parse_in_sandbox
    host_patience_s: float = HOST_PATIENCE_S


@dataclass(frozen=True, kw_only=True)
class Content:
    """What came, read."""

    reading: ParsedFeed
    validators: Validators
    wanted_s: float
    redirected_to: str
    moved: bool  # for good


@dataclass(frozen=True, kw_only=True)
class Unchanged:
    """The content of an earlier poll."""

    wanted_s: float
    redirected_to: str
    moved: bool  # for good


def poll(place: Poller, taken: FeedLease) -> Feed | None:
    """Poll a feed that was taken; its new state, or None where it was removed meanwhile. A feed that
    has moved is the one at its new address.

    Raises redis.ConnectionError; the feed is due again when its lease ends.
    """
    feed, began = taken.feed, monotonic()
    if not place.feeds.apply(feed.id, place.clock()):
        return None
    try:
        place.submitter.admission.admit()
        after = _outcome(place, feed)
    except (Overloaded, HostBusy) as error:  # not the feed's fault: it keeps its state
        logger.warning(event_line("feed put off", feed_id=feed.id, detail=str(error)))
        after = replace(feed, next_poll=place.clock() + PUT_OFF_S, moved=False)
    moved = redirects.move(place.feeds, after, place.clock())
    if moved is None:
        record(place.feeds, taken, after)
    took_ms = round((monotonic() - began) * 1000)
    reason = after.reason or None
    logger.info(
        event_line(
            "feed polled",
            feed_id=feed.id,
            state=after.state,
            reason=reason,
            duration_ms=took_ms,
        )
    )
    return moved or after


def record(feeds: FeedStore, taken: FeedLease, after: Feed) -> bool:
    """The event of a failure that is the first one, or the end; then the state."""
    before, run = taken.feed, round(after.healthy_since * 1000)
    fact = FeedFailed(reason=after.reason, detail=after.detail)
    if after.state == schedule.FAILING and before.state != schedule.FAILING:
        feeds.log.append(after.id, fact, idempotency_key=f"failed:{run}")
    if after.state == schedule.GONE:
        feeds.log.append(after.id, fact, idempotency_key=f"gone:{run}")
    return feeds.finish(taken, after)


def _outcome(place: Poller, feed: Feed) -> Feed:
    got = ask(place, feed)
    now = place.clock()
    if isinstance(got, PollFailure):
        return schedule.failed(feed, now, got)
    feed = replace(feed, redirected_to=got.redirected_to, moved=got.moved)
    if isinstance(got, Unchanged):
        return schedule.unchanged(feed, now, got.wanted_s)
    reading = got.reading
    if reading.reason:
        failure = PollFailure(reason=reading.reason, detail=reading.problem)
        return schedule.unreadable(feed, now, failure, got.validators)
    found = submit.submit_entries(place.submitter, feed, reading, now)
    counts = {
        "entries": found.entries,
        "new": found.new,
        "brought": found.brought,
        "refetched": found.refetched,
    }
    logger.info(
        event_line(
            "feed read", feed_id=feed.id, kind=found.kind, **counts, held=found.held
        )
    )
    return schedule.changed(feed, now, found, got.validators, got.wanted_s)


# -- asking --------------------------------------------------------------------------------------------------------


def ask(place: Poller, feed: Feed) -> Content | Unchanged | PollFailure:
    """One conditional request, and the reading of what came. Raises HostBusy."""
    try:
        answer = _get(place, feed.url, conditions(feed))
    except OutboundError as error:
        return _failure(error)
    target = answer.url if answer.redirects else ""
    fresh_s = schedule.max_age_s(answer.headers.get("cache-control"))
    if answer.status == 304 and (feed.etag or feed.last_modified):
        return Unchanged(wanted_s=fresh_s, redirected_to=target, moved=answer.moved)
    if answer.status != 200:
        return refusal(answer, place.clock())
    digest = hashlib.sha256(answer.body).hexdigest()
    if digest == feed.body_digest:
        return Unchanged(wanted_s=fresh_s, redirected_to=target, moved=answer.moved)
    reading = place.read(answer.body, url=answer.url, headers=answer.headers)
    validators = _validators(answer, digest)
    if reading.kind == "sitemap_index":  # it may stay the same while its parts change
        reading, validators = _with_parts(place, reading), Validators()
    wanted_s = max(fresh_s, reading.period_s)
    return Content(
        reading=reading,
        validators=validators,
        wanted_s=wanted_s,
        redirected_to=target,
        moved=answer.moved,
    )


def _get(place: Poller, url: str, headers: Mapping[str, str]) -> Response:
    """Ask the host in its turn, among all that is fetched from it."""
    place.door.check(url)  # what may not be asked needs no place
    with place.slots.slot(host_of(url), patience_s=place.host_patience_s):
        return place.door.get(url, headers)


def conditions(feed: Feed) -> dict[str, str]:
    """The headers of a request that asks for news only."""
    headers = {"Accept": ACCEPT}
    if feed.etag:
        headers["If-None-Match"] = feed.etag
    if feed.last_modified:
        headers["If-Modified-Since"] = feed.last_modified
    return headers


def refusal(answer: Response, now: float) -> PollFailure:
    """What an answer that is no feed means."""
    wait_s = retry_after_s(
        answer.headers.get("retry-after"), now=datetime.fromtimestamp(now, UTC)
    )
    return PollFailure(
        reason=REASONS.get(answer.status, "http_status"),
        detail=f"the server answered {answer.status}",
        retryable=answer.status in RETRYABLE_STATUSES,
        retry_after_s=wait_s,
        gone=answer.status == 410,
    )


def _with_parts(place: Poller, index: ParsedFeed) -> ParsedFeed:
    """The sitemaps that an index names, one level deep."""
    return joined(index, [_part(place, url) for url in index.parts])


def _part(place: Poller, url: str) -> ParsedFeed:
    try:
        answer = _get(place, url, {"Accept": ACCEPT})
    except OutboundError as error:
        return unread(error.reason, f"{url}: {error.detail}")
    if answer.status != 200:
        return unread("http_status", f"{url}: the server answered {answer.status}")
    reading = place.read(answer.body, url=answer.url, headers=answer.headers)
    if reading.kind == "sitemap_index":
        return unread("unreadable", f"{url}: an index of sitemaps inside another")
    return reading


def _validators(answer: Response, digest: str) -> Validators:
    """What the next request sends back; a header that no server of good will sends is not worth keeping."""
    said: Mapping[str, str] = {
        name: answer.headers.get(name, "").strip() for name in ("etag", "last-modified")
    }
    kept = {
        name: value if len(value) <= 500 and value.isascii() else ""
        for name, value in said.items()
    }
    return Validators(
        etag=kept["etag"], last_modified=kept["last-modified"], body_digest=digest
    )


def _failure(error: OutboundError) -> PollFailure:
    return PollFailure(
        reason=error.reason,
        detail=error.detail,
        retryable=error.retryable,
        retry_after_s=error.retry_after_s,
    )
