"""One poll of one feed: request, parse, submit, save the state, in that order.

A poll may die anywhere and run again, in this process or another: items, refetches and
events carry idempotency keys, and validators are kept only once everything in the
content was submitted.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic

from incidentwire.events import FeedFailed, FeedSilent
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
from services.ingest.feeds.model import MAX_PROBLEM, ParsedFeed, joined, plain, unread
from services.ingest.feeds.sandbox import parse_in_sandbox
from services.ingest.feeds.schedule import Feed, PollFailure, Validators
from services.ingest.feeds.store import FeedLease, FeedStore
from services.ingest.submit import Submitter

ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, "
    "application/rdf+xml, application/xml;q=0.9, text/xml;q=0.9, "
    "application/json;q=0.8, */*;q=0.1"
)
REASONS = {
    404: "not_found",
    401: "forbidden",
    403: "forbidden",
    410: "gone",
    429: "too_many_requests",
}
# What events say of a document that cannot be read: never its own words.
UNREAD_DETAILS = {
    "not_a_feed": "The document is not a feed.",
    "ill_formed": "The document is not well-formed.",
    "unreadable": "The document cannot be parsed within its limits.",
}
POSTPONE_S = 60.0  # after a poll that could not begin
# Longer than the longest Crawl-delay that workers honour.
HOST_PATIENCE_S = 12.0
MAX_VALIDATOR = 500  # characters of an ETag or Last-Modified worth keeping
CLOCK_SKEW_S = 300.0  # of a server whose Last-Modified is believed

Parse = Callable[..., ParsedFeed]  # the shape of parser.read
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Poller:
    """What a poll uses. `clock` gives seconds since the epoch."""

    feeds: FeedStore
    submitter: Submitter
    client: HttpClient
    limiter: HostRateLimiter
    clock: Callable[[], float]
    parse: Parse = parse_in_sandbox
    host_patience_s: float = HOST_PATIENCE_S

    @property
    def retry_delays_s(self) -> tuple[float, ...]:
        """The waits after failures in a row, by the settings."""
        return self.submitter.settings.feed_retry_delays_s


@dataclass(frozen=True, kw_only=True)
class Content:
    """A response that was parsed. `moved`: every redirect to it is permanent."""

    parsed: ParsedFeed
    validators: Validators
    wanted_s: float
    redirected_to: str
    moved: bool


@dataclass(frozen=True, kw_only=True)
class Unchanged:
    """A response with the content of an earlier poll, and new validators for it."""

    validators: Validators | None
    wanted_s: float
    redirected_to: str
    moved: bool


def poll(poller: Poller, lease: FeedLease) -> Feed | None:
    """Poll a leased feed; return its new state, None if it was removed meanwhile.

    A feed that has moved is returned as the feed at its new address. Raises redis'
    errors and OSError; the feed is due again when its lease ends.
    """
    feed = lease.feed
    began = monotonic()
    if not poller.feeds.apply(feed.id, poller.clock()):
        return None
    try:
        poller.submitter.admission.admit()
        after = _outcome(poller, feed)
    except (Overloaded, HostBusy) as error:  # not the feed's fault: it keeps its state
        logger.warning(event_line("feed postponed", feed_id=feed.id, detail=str(error)))
        after = replace(feed, next_poll=poller.clock() + POSTPONE_S, moved=False)
    moved = redirects.move(poller.feeds, after, poller.clock())
    if moved is None:
        record(poller.feeds, lease, after)
    logger.info(
        event_line(
            "feed polled",
            feed_id=feed.id,
            state=after.state,
            reason=after.reason or None,
            duration_ms=round((monotonic() - began) * 1000),
        )
    )
    return moved or after


def record(feeds: FeedStore, lease: FeedLease, after: Feed) -> bool:
    """Append the event of a first failure, of the end or of a silence; save the state."""
    before = lease.feed
    run = round(after.healthy_since * 1000)
    failure = FeedFailed(reason=after.reason, detail=event_detail(after))
    if after.state == schedule.FAILING and before.state != schedule.FAILING:
        feeds.log.append(after.id, failure, idempotency_key=f"failed:{run}")
    if after.state == schedule.GONE:
        feeds.log.append(after.id, failure, idempotency_key=f"gone:{run}")
    if after.silent and not before.silent:
        silence = FeedSilent(
            reason=after.silent,
            since=_time(after.last_new),
            longest_pause_s=round(after.longest_pause_s),
        )
        key = f"silent:{after.silent}:{round(after.last_new * 1000)}"
        feeds.log.append(after.id, silence, idempotency_key=key)
    return feeds.finish(lease, after)


def event_detail(feed: Feed) -> str:
    """Return the detail of a failure for an event: bounded, and never the feed's words."""
    return UNREAD_DETAILS.get(feed.reason) or plain(feed.detail)[:MAX_PROBLEM]


def _time(seconds: float) -> str | None:
    if not seconds:
        return None
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _outcome(poller: Poller, feed: Feed) -> Feed:
    answer = request_feed(poller, feed)
    now = poller.clock()
    delays_s = poller.retry_delays_s
    if isinstance(answer, PollFailure):
        return schedule.failed(feed, now, answer, delays_s)
    feed = replace(feed, redirected_to=answer.redirected_to, moved=answer.moved)
    if isinstance(answer, Unchanged):
        return schedule.unchanged(
            feed, now, answer.wanted_s, answer.validators, delays_s
        )
    parsed = answer.parsed
    if parsed.reason:
        failure = PollFailure(reason=parsed.reason, detail=parsed.problem)
        return schedule.unreadable(feed, now, failure, answer.validators, delays_s)
    found = submit.submit_entries(poller.submitter, feed, parsed, now)
    logger.info(
        event_line(
            "feed read",
            feed_id=feed.id,
            kind=found.kind,
            entries=found.entries,
            new=found.new,
            created=found.created,
            refetched=found.refetched,
            deferred=found.deferred,
        )
    )
    return schedule.changed(feed, now, found, answer.validators, answer.wanted_s)


# Requests


def request_feed(poller: Poller, feed: Feed) -> Content | Unchanged | PollFailure:
    """Send one conditional request and parse the response. Raises HostBusy."""
    try:
        response = _get(poller, feed.url, conditions(feed))
    except OutboundError as error:
        return _failure(error)
    redirected_to = response.url if response.redirects else ""
    fresh_s = schedule.max_age_s(response.headers.get("cache-control"))
    if response.status == 304 and (feed.etag or feed.last_modified):
        return Unchanged(
            validators=None,
            wanted_s=fresh_s,
            redirected_to=redirected_to,
            moved=response.moved,
        )
    if response.status != 200:
        return refusal(response, poller.clock())
    validators = validators_of(response, poller.clock())
    if validators.body_digest == feed.body_digest:
        return Unchanged(
            validators=validators,
            wanted_s=fresh_s,
            redirected_to=redirected_to,
            moved=response.moved,
        )
    parsed = poller.parse(response.body, url=response.url, headers=response.headers)
    if parsed.kind == "sitemap_index":  # it may stay the same while its parts change
        parsed = _with_parts(poller, parsed)
        validators = Validators()
    return Content(
        parsed=parsed,
        validators=validators,
        wanted_s=max(fresh_s, parsed.period_s),
        redirected_to=redirected_to,
        moved=response.moved,
    )


def _get(poller: Poller, url: str, headers: Mapping[str, str]) -> Response:
    """Request a URL in its turn among all requests to its host."""
    poller.client.check(url)  # a forbidden address needs no turn
    with poller.limiter.slot(host_of(url), patience_s=poller.host_patience_s):
        return poller.client.get(url, headers)


def conditions(feed: Feed) -> dict[str, str]:
    """Return the headers of a request for changed content only."""
    headers = {"Accept": ACCEPT}
    if feed.etag:
        headers["If-None-Match"] = feed.etag
    if feed.last_modified:
        headers["If-Modified-Since"] = feed.last_modified
    return headers


def refusal(response: Response, now: float) -> PollFailure:
    """Return the failure that a status other than 200 and 304 means."""
    wait_s = retry_after_s(
        response.headers.get("retry-after"), now=datetime.fromtimestamp(now, UTC)
    )
    return PollFailure(
        reason=REASONS.get(response.status, "http_status"),
        detail=f"the server answered {response.status}",
        retryable=response.status in RETRYABLE_STATUSES,
        retry_after_s=wait_s,
        gone=response.status == 410,
    )


def validators_of(response: Response, now: float) -> Validators:
    """Return what the next request sends back.

    A Last-Modified in the future is not: a server that compares times would answer
    "not modified" until then. Nor is a header longer than any sensible server sends.
    """
    last_modified = _kept_header(response, "last-modified")
    if _is_future(last_modified, now):
        last_modified = ""
    return Validators(
        etag=_kept_header(response, "etag"),
        last_modified=last_modified,
        body_digest=hashlib.sha256(response.body).hexdigest(),
    )


def _kept_header(response: Response, name: str) -> str:
    value = response.headers.get(name, "").strip()
    return value if len(value) <= MAX_VALIDATOR and value.isascii() else ""


def _is_future(last_modified: str, now: float) -> bool:
    try:
        moment = parsedate_to_datetime(last_modified)
        return moment.timestamp() > now + CLOCK_SKEW_S
    except (ValueError, TypeError, IndexError, OverflowError):
        return False


def _with_parts(poller: Poller, index: ParsedFeed) -> ParsedFeed:
    """Return the index with the sitemaps that it names, one level deep."""
    return joined(index, [_part(poller, url) for url in index.parts])


def _part(poller: Poller, url: str) -> ParsedFeed:
    try:
        response = _get(poller, url, {"Accept": ACCEPT})
    except OutboundError as error:
        return unread(error.reason, f"{url}: {error.detail}")
    if response.status != 200:
        return unread("http_status", f"{url}: the server answered {response.status}")
    parsed = poller.parse(response.body, url=response.url, headers=response.headers)
    if parsed.kind == "sitemap_index":
        return unread("unreadable", f"{url}: an index of sitemaps inside another")
    return parsed


def _failure(error: OutboundError) -> PollFailure:
    return PollFailure(
        reason=error.reason,
        detail=plain(error.detail)[:MAX_PROBLEM],
        retryable=error.retryable,
        retry_after_s=error.retry_after_s,
    )
