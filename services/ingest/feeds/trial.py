"""Read a feed once without adding it: what it is, and what it would bring."""

from __future__ import annotations

from dataclasses import dataclass, replace

from services.ingest.feeds.model import Entry, ParsedFeed
from services.ingest.feeds.poll import Content, Poller, request_feed
from services.ingest.feeds.schedule import Feed, PollFailure
from services.ingest.feeds.submit import plan_entries, submission_of

MAX_SHOWN = 20  # entries
PATIENCE_S = 5.0  # for a turn among other requests to the host


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What one reading found.

    `reason` (a slug) and `detail` tell why it cannot be read. Of `entries`, `usable`
    have an address of their own, and `new` of these, at most 500 counted, are no item
    yet. `shown` are the first entries, each with the id of its item if there is one.
    """

    kind: str = ""
    title: str = ""
    problem: str = ""
    reason: str = ""
    detail: str = ""
    redirected_to: str = ""
    entries: int = 0
    usable: int = 0
    new: int = 0
    shown: tuple[tuple[Entry, str | None], ...] = ()


def try_feed(poller: Poller, url: str) -> Trial:
    """Request and parse a feed; nothing is stored. Raises HostBusy."""
    patient = replace(poller, host_patience_s=PATIENCE_S)
    found = request_feed(patient, Feed(id="", url=url, added_at=0))
    if isinstance(found, PollFailure):
        return Trial(reason=found.reason, detail=found.detail)
    if not isinstance(found, Content):  # there is nothing it could be unchanged from
        raise TypeError(found)
    trial = _trial_of(poller, found.parsed)
    return replace(trial, redirected_to=found.redirected_to)


def _trial_of(poller: Poller, parsed: ParsedFeed) -> Trial:
    if parsed.reason:
        return Trial(kind=parsed.kind, reason=parsed.reason, detail=parsed.problem)
    plan = plan_entries(parsed.entries, {})
    known = _known(poller, [submission.id for submission in plan.new])
    return Trial(
        kind=parsed.kind,
        title=parsed.title,
        problem=parsed.problem,
        entries=len(parsed.entries),
        usable=len(parsed.entries) - plan.without_address,
        new=len(plan.new) - len(known),
        shown=tuple(
            (entry, _id_if_known(entry, known)) for entry in parsed.entries[:MAX_SHOWN]
        ),
    )


def _known(poller: Poller, item_ids: list[str]) -> frozenset[str]:
    """Return those of the ids that are items already."""
    return frozenset(poller.submitter.log.first_positions(item_ids))


def _id_if_known(entry: Entry, known: frozenset[str]) -> str | None:
    submission = submission_of(entry)
    return submission.id if submission and submission.id in known else None
