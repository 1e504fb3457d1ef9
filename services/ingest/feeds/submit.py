"""From a feed's entries to submissions.

New entries are submitted, updated ones are asked for again, known ones are left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from incidentwire import items, queue
from incidentwire.events import ItemRetryRequested
from incidentwire.log.event_log import Appended, AppendRequest, VersionConflict
from incidentwire.log.recorded_event import RecordedEvent
from incidentwire.net import urls
from incidentwire.queue import QueueEntry
from services.ingest.feeds.model import Entry, ParsedFeed
from services.ingest.feeds.schedule import Feed, PollResult
from services.ingest.submission import Submission, WebAddress
from services.ingest.submit import Submitter

MAX_NEW = 500  # entries submitted per poll; the others wait for the next one
MAX_REFETCHES = 100  # per poll
REFETCH_PAUSE_S = 3_600.0  # some feeds call every entry updated every time
MAX_REQUESTS = 20  # refetches of one item that feeds ask for, ever; see above


class Refetch(Enum):
    """Whether an item may be fetched again because a feed calls it updated."""

    NOW = "now"
    LATER = "later"
    NEVER = "never"


@dataclass(kw_only=True)
class EntryPlan:
    """The entries of one document, sorted by what is to be done.

    `updated` maps item ids to the digest of the update; `seen` is the feed's memory
    once all of this is done; `more` entries wait for the next poll.
    """

    new: list[Submission] = field(default_factory=list)
    updated: dict[str, str] = field(default_factory=dict)
    more: bool = False
    without_address: int = 0
    same_address: int = 0
    seen: dict[str, str] = field(default_factory=dict)


def submit_entries(
    submitter: Submitter, feed: Feed, parsed: ParsedFeed, now: float
) -> PollResult:
    """Submit what is new, ask again for what was updated; on disk when this returns.

    Raises Overloaded.
    """
    plan = plan_entries(parsed.entries, feed.seen)
    via = f"feed:{feed.id}"
    outcomes = (
        submitter.submit_many(plan.new, via=via, feed=feed.id) if plan.new else []
    )
    deferred, refetched = request_refetches(submitter, plan.updated, via, now)
    for item_id in deferred:
        plan.seen[item_id] = feed.seen[item_id]
    return PollResult(
        kind=parsed.kind,
        title=parsed.title,
        problem="; ".join(_problems(parsed, plan)),
        entries=len(parsed.entries),
        usable=len(parsed.entries) - plan.without_address,
        new=len(plan.new),
        created=sum(not outcome.known for outcome in outcomes),
        more=plan.more,
        deferred=len(deferred),
        refetched=refetched,
        seen=plan.seen,
    )


def _problems(parsed: ParsedFeed, plan: EntryPlan) -> list[str]:
    count = len(parsed.entries)
    problems = [parsed.problem] if parsed.problem else []
    if plan.without_address:
        problems.append(
            f"{plan.without_address} of {count} entries have no usable address"
        )
    if plan.same_address:
        problems.append(
            f"{plan.same_address} of {count} entries have the address of another entry, "
            "or differ from it in the fragment only; an address is one item"
        )
    return problems


def plan_entries(entries: Iterable[Entry], seen: Mapping[str, str]) -> EntryPlan:
    """Sort the entries by what the feed remembers of them. Pure."""
    plan = EntryPlan()
    here: dict[str, str] = {}
    names: dict[str, tuple[str, str]] = {}
    for entry in entries:
        submission = submission_of(entry)
        if submission is None:
            plan.without_address += 1
            continue
        item_id = submission.id
        name = (entry.id, entry.title)
        if names.setdefault(item_id, name) != name:
            plan.same_address += 1
        if item_id in here:
            continue
        mark = digest_of(entry.updated)
        if item_id in seen:
            here[item_id] = _plan_known(plan, item_id, mark, seen[item_id])
        elif len(plan.new) < MAX_NEW:
            plan.new.append(submission)
            here[item_id] = mark
        else:
            plan.more = True
    left = {item_id: mark for item_id, mark in seen.items() if item_id not in here}
    plan.seen = left | here
    return plan


def _plan_known(plan: EntryPlan, item_id: str, mark: str, known: str) -> str:
    """Plan a known entry; return the mark to remember it by."""
    if not mark or mark == known:
        return known
    if len(plan.updated) >= MAX_REFETCHES:
        plan.more = True
        return known
    plan.updated[item_id] = mark
    return mark


def submission_of(entry: Entry) -> Submission | None:
    """Return an entry as a submission, None if it has no address an item can have."""
    if entry.url is None:
        return None
    try:
        address = WebAddress.of(entry.url)
    except urls.UrlError:
        return None
    return Submission.of(
        address=address,
        title=entry.title,
        text=entry.text,
        published=entry.published,
        language=entry.language,
    )


def digest_of(updated: str | None) -> str:
    """Return 8 characters that stand for an entry's last update; empty if unsaid."""
    return hashlib.sha256(updated.encode()).hexdigest()[:8] if updated else ""


def request_refetches(
    submitter: Submitter, updated: Mapping[str, str], via: str, now: float
) -> tuple[set[str], int]:
    """Have updated items fetched again, each update once, whichever feed sees it.

    Return the ids that have to wait, and the number of requests made.
    """
    ids = list(updated)
    deferred = set[str]()
    requests = list[AppendRequest]()
    for item_id, history in zip(ids, submitter.log.histories(ids), strict=True):
        item = items.fold_all(item_id, history)
        decision = may_refetch(item, history, now)
        if decision is Refetch.LATER:
            deferred.add(item_id)
        elif decision is Refetch.NOW:
            requests.append(_refetch_request(item, updated[item_id], via))
    if not requests:
        return deferred, 0
    wanted = [request.events[0][0] for request in requests]
    entries = [
        QueueEntry(id=item_id, submitter=via, needs_fetch=True) for item_id in wanted
    ]
    jobs = queue.enqueue(submitter.log.connection, entries, bulk=True)
    results: Sequence[Appended | Exception] = submitter.log.append_many(
        requests, in_same_transaction=jobs
    )
    for item_id, result in zip(wanted, results, strict=True):
        if isinstance(result, VersionConflict):
            deferred.add(item_id)
    made = sum(isinstance(result, Appended) and result.new for result in results)
    return deferred, made


def _refetch_request(item: items.Item, mark: str, via: str) -> AppendRequest:
    return AppendRequest(
        events=[(item.id, ItemRetryRequested(who=via))],
        idempotency_key=f"updated:{mark}",
        expected_versions={item.id: item.version},
    )


def may_refetch(
    item: items.Item, history: Sequence[RecordedEvent], now: float
) -> Refetch:
    """Decide whether an item may be fetched again: once ended, and not too often. Pure."""
    is_final = item.state in (items.State.WITHDRAWN, items.State.ALIASED)
    if item.version == 0 or is_final or item.url is None:
        return Refetch.NEVER
    if sum(map(_is_request_of_feed, history)) >= MAX_REQUESTS:
        return Refetch.NEVER
    last_request = next(
        entry for entry in history if entry.position == item.request_position
    )
    age_s = now - last_request.time_ms / 1000
    if not item.ended or age_s < REFETCH_PAUSE_S:
        return Refetch.LATER
    return Refetch.NOW


def _is_request_of_feed(entry: RecordedEvent) -> bool:
    event = entry.event
    return isinstance(event, ItemRetryRequested) and event.who.startswith("feed:")
