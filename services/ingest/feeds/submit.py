"""What a feed's entries come to: the new ones are handed in, the updated ones are asked for again, the known ones are
left alone."""

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

MAX_NEW = 500  # entries handed in per poll; the others wait for the next one
MAX_REFETCHES = 100  # per poll
REFETCH_PAUSE_S = 3_600.0  # some feeds call every entry updated every time
MAX_ASKS = 20  # refetches of one item for feeds, ever: see above


class Refetch(Enum):
    """Whether an item may be fetched again because a feed calls it updated."""

    NOW = "now"
    LATER = "later"
    NEVER = "never"


@dataclass(kw_only=True)
class EntryPlan:
    """The entries of one document, sorted. `seen` is the memory of the feed once all of this is done."""

    new: list[Submission] = field(default_factory=list)
    updated: dict[str, str] = field(
        default_factory=dict
    )  # item id -> what is said of the update
    more: bool = False
    unusable: int = 0
    seen: dict[str, str] = field(default_factory=dict)


def submit_entries(
    submitter: Submitter, feed: Feed, reading: ParsedFeed, now: float
) -> PollResult:
    """Hand in what is new, ask again for what was updated; on disk when this returns. Raises Overloaded."""
    choice = choose(reading.entries, feed.seen)
    via = f"feed:{feed.id}"
    outcomes = (
        submitter.submit_many(choice.new, via=via, feed=feed.id) if choice.new else []
    )
    held, refetched = ask_again(submitter, choice.updated, via, now)
    for item_id in held:
        choice.seen[item_id] = feed.seen[item_id]
    problems = [reading.problem] if reading.problem else []
    if choice.unusable:
        problems.append(
            f"{choice.unusable} of {len(reading.entries)} entries have no usable address"
        )
    return PollResult(
        kind=reading.kind,
        title=reading.title,
        problem="; ".join(problems),
        entries=len(reading.entries),
        new=len(choice.new),
        brought=sum(not outcome.known for outcome in outcomes),
        more=choice.more,
        held=len(held),
        refetched=refetched,
        seen=choice.seen,
    )


def choose(entries: Iterable[Entry], seen: Mapping[str, str]) -> EntryPlan:
    """Sort the entries by what is remembered of them. Pure."""
    choice = EntryPlan()
    here: dict[str, str] = {}
    for entry in entries:
        submission = submission_of(entry)
        if submission is None:
            choice.unusable += 1
            continue
        item_id, said = submission.id, digest_of(entry.updated)
        if item_id in here:
            continue
        if item_id in seen:
            if said and said != seen[item_id]:
                if len(choice.updated) < MAX_REFETCHES:
                    choice.updated[item_id] = said
                else:
                    choice.more, said = True, seen[item_id]
        elif len(choice.new) < MAX_NEW:
            choice.new.append(submission)
        else:
            choice.more = True
            continue
        here[item_id] = said or seen.get(item_id, "")
    choice.seen = {
        item_id: said for item_id, said in seen.items() if item_id not in here
    } | here
    return choice


def submission_of(entry: Entry) -> Submission | None:
    """An entry as a submission; None where its address is none that an item can have."""
    if entry.url is None:
        return None
    try:
        address = WebAddress.of(entry.url)
    except urls.UrlError:
        return None
    return Submission.of(
        address=address,
        title=entry.title,
        published=entry.published,
        language=entry.language,
    )


def digest_of(updated: str | None) -> str:
    """What a feed says of an entry's last update, in 8 characters; empty where it says nothing."""
    return hashlib.sha256(updated.encode()).hexdigest()[:8] if updated else ""


def ask_again(
    submitter: Submitter, updated: Mapping[str, str], via: str, now: float
) -> tuple[set[str], int]:
    """Have updated items fetched again, each update once, whichever feed or process sees it; the ids of those that
    have to wait, and how many were asked for."""
    ids = list(updated)
    held, wanted = set[str](), list[AppendRequest]()
    for item_id, history in zip(ids, submitter.log.histories(ids), strict=True):
        item = items.fold_all(item_id, history)
        match may_refetch(item, history, now):
            case Refetch.NOW:
                fact = ItemRetryRequested(who=via)
                claim = f"updated:{updated[item_id]}"
                wanted.append(
                    AppendRequest(
                        events=[(item_id, fact)],
                        idempotency_key=claim,
                        expected_versions={item_id: item.version},
                    )
                )
            case Refetch.LATER:
                held.add(item_id)
            case Refetch.NEVER:
                pass
    if not wanted:
        return held, 0
    asked = [unit.events[0][0] for unit in wanted]
    entries = [
        QueueEntry(id=item_id, submitter=via, needs_fetch=True) for item_id in asked
    ]
    jobs = queue.enqueue(submitter.log.connection, entries, bulk=True)
    results: Sequence[Appended | Exception] = submitter.log.append_many(
        wanted, in_same_transaction=jobs
    )
    changed = {
        i
        for i, result in zip(asked, results, strict=True)
        if isinstance(result, VersionConflict)
    }
    return held | changed, sum(
        isinstance(result, Appended) and result.new for result in results
    )


def may_refetch(
    item: items.Item, history: Sequence[RecordedEvent], now: float
) -> Refetch:
    """Only what has ended is asked for again, and not too often. Pure."""
    if (
        item.version == 0
        or item.state in (items.State.WITHDRAWN, items.State.ALIASED)
        or item.url is None
    ):
        return Refetch.NEVER
    asks = [entry for entry in history if entry.type == ItemRetryRequested.type]
    if sum(_is_feeds(entry) for entry in asks) >= MAX_ASKS:
        return Refetch.NEVER
    request_position = next(
        entry for entry in history if entry.position == item.request_position
    )
    if not item.ended or now - request_position.time_ms / 1000 < REFETCH_PAUSE_S:
        return Refetch.LATER
    return Refetch.NOW


def _is_feeds(entry: RecordedEvent) -> bool:
    event = entry.event
    return isinstance(event, ItemRetryRequested) and event.who.startswith("feed:")
