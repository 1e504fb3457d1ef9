"""The state of an item, folded from its own events: pure.

Receipts (ingest), the worker (classifier) and the read model (api) fold with this one
function, so that they agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from incidentwire import events as e
from incidentwire.evolve import evolve
from incidentwire.labels import Label
from incidentwire.log.recorded_event import RecordedEvent

Pending = Literal["fetch", "use_given", "reclassify"]


class State(StrEnum):
    """Every item is in exactly one of these states; the first two are in flight."""

    QUEUED = "queued"
    WAITING = "waiting"
    CLASSIFIED = "classified"
    REJECTED = "rejected"
    ALIASED = "aliased"
    WITHDRAWN = "withdrawn"


IN_FLIGHT = (State.QUEUED, State.WAITING)
MAX_ALIASES = 10  # of aliases, one of the other, that a reader follows


@dataclass(frozen=True, kw_only=True)
class Item:
    """The state of one item after `version` events.

    `pending` is the work that the open request asks for, None if no request is open.
    `is_text_given` tells that a submitter supplied the text, so that no page is fetched.
    `request_position` is the position of the newest request, `attempt` the number of
    attempts that failed since then. `expired` is the part of the stored content, newest
    revision included, whose retention period ended.
    """

    id: str
    version: int = 0
    state: State = State.QUEUED
    pending: Pending | None = None
    url: str | None = None
    canonical_url: str | None = None
    via: str = ""
    feed: str | None = None
    submitted_at: int = 0  # position
    request_position: int = 0
    attempt: int = 0
    next_try: str | None = None
    reason: str | None = None
    detail: str = ""
    retryable: bool = False
    given_digest: str | None = None
    is_text_given: bool = False
    traceparent: str = ""  # of the newest request
    fetched: e.ItemFetched | None = None
    classified: e.ItemClassified | None = None
    corrected: e.ItemCorrected | None = None
    reviewed: frozenset[str] = frozenset()  # doubts that a curator left as they are
    alias_of: str | None = None
    expired: Literal["page", "all"] | None = None

    @property
    def labels(self) -> tuple[Label, ...]:
        """Return the effective labels: the curator's if any set them, else the model's."""
        if self.state is State.WITHDRAWN:
            return ()
        if self.corrected is not None:
            return self.corrected.labels
        return self.model_labels

    @property
    def model_labels(self) -> tuple[Label, ...]:
        """Return the labels that the model assigned last."""
        if self.classified is None:
            return ()
        if self.classified.model_labels is None:
            return self.classified.labels
        return self.classified.model_labels

    @property
    def ended(self) -> bool:
        """Return whether no request is open."""
        return self.state not in IN_FLIGHT

    def completion_key(self) -> str:
        """Return the idempotency key under which the open request is completed once."""
        return f"ended:{self.request_position}"


def fold(item: Item, position: int, event: e.Event, traceparent: str = "") -> Item:
    """Return the item after one more event. Raises ValueError for another subject's."""
    if not isinstance(event, e.ItemEvent):
        raise ValueError(f"{event.type} is not an item event")
    item = evolve(item, version=item.version + 1)
    if event.in_flight is e.InFlight.ENQUEUES:
        return _with_request(item, position, event, traceparent)
    if event.in_flight is e.InFlight.COMPLETES:
        return _completed(item, event)
    match event:
        case e.ItemDeferred():
            return evolve(
                item,
                state=State.WAITING,
                reason=event.reason,
                detail=event.detail,
                attempt=event.attempt,
                next_try=event.next_try,
            )
        case e.ItemFetched():
            return evolve(item, fetched=event, expired=None)
        case e.ItemCorrected():
            return evolve(item, corrected=None if event.withdrawn else event)
        case e.ItemReviewed():
            about = {event.about}
            reviewed = (
                item.reviewed - about if event.withdrawn else item.reviewed | about
            )
            return evolve(item, reviewed=reviewed)
        case e.ItemExpired():
            return evolve(item, expired="all" if item.expired == "all" else event.what)
        case _:
            raise ValueError(f"{event.type} has no fold")


def fold_all(item_id: str, history: Iterable[RecordedEvent]) -> Item:
    """Return the item after its whole history; version 0 if that is empty."""
    item = Item(id=item_id)
    for entry in history:
        item = fold(item, entry.position, entry.event, entry.traceparent)
    return item


def _with_request(
    item: Item, position: int, event: e.ItemEvent, traceparent: str
) -> Item:
    item = evolve(
        item,
        state=State.QUEUED,
        request_position=position,
        traceparent=traceparent,
        attempt=0,
        next_try=None,
        reason=None,
        detail="",
        retryable=False,
    )
    match event:
        case e.ItemSubmitted():
            item = evolve(
                item,
                url=event.url,
                canonical_url=event.canonical_url or event.url,
                via=event.via,
                feed=event.feed,
                submitted_at=position,
                given_digest=event.given_digest,
                is_text_given=event.url is None,
            )
        case e.ItemTextSupplied():
            item = evolve(item, given_digest=event.given_digest, is_text_given=True)
    return evolve(item, pending=_pending(item, event))


def _pending(item: Item, event: e.ItemEvent) -> Pending:
    # An item that never stored a text has nothing to classify again.
    if isinstance(event, e.ItemReclassifyRequested) and item.fetched is not None:
        return "reclassify"
    return "use_given" if item.is_text_given else "fetch"


def _completed(item: Item, event: e.ItemEvent) -> Item:
    item = evolve(item, pending=None, next_try=None)
    if isinstance(event, e.ItemRejected):
        # a failed refetch leaves the labels of the earlier text in place
        return evolve(
            item,
            state=State.CLASSIFIED if item.classified else State.REJECTED,
            reason=event.reason,
            detail=event.detail,
            retryable=event.retryable,
        )
    item = evolve(item, reason=None, detail="")
    match event:
        case e.ItemClassified():
            # new scores and links are new doubts
            return evolve(
                item,
                state=State.CLASSIFIED,
                classified=event,
                reviewed=frozenset(),
            )
        case e.ItemWithdrawn():
            return evolve(item, state=State.WITHDRAWN)
        case e.ItemAliased():
            return evolve(item, state=State.ALIASED, alias_of=event.into)
        case _:
            raise ValueError(f"{event.type} has no fold")
