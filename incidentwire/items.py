"""An item, folded from its own events: where it stands, what was kept, which labels count. Pure.

Receipts (ingest), the worker (classifier) and the read model (api) fold with this one function, so they agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from incidentwire import events as e
from incidentwire.labels import Label
from incidentwire.log.recorded_event import RecordedEvent


class State(StrEnum):
    """Every item is in exactly one of these; the first two are in flight."""

    QUEUED = "queued"
    WAITING = "waiting"
    CLASSIFIED = "classified"
    REJECTED = "rejected"
    ALIASED = "aliased"
    WITHDRAWN = "withdrawn"


IN_FLIGHT = (State.QUEUED, State.WAITING)


@dataclass(frozen=True, kw_only=True)
class Item:
    """The state of one item after `version` events."""

    id: str
    version: int = 0
    state: State = State.QUEUED
    url: str | None = None
    canonical_url: str | None = None
    via: str = ""
    feed: str | None = None
    submitted_at: int = 0  # position
    request_position: int = (
        0  # position of the event that is to be answered, or was answered last
    )
    attempt: int = 0  # failed attempts since request_position
    next_try: str | None = None
    reason: str | None = None
    detail: str = ""
    retryable: bool = False
    given_digest: str | None = None
    use_given: bool = False  # the text was handed in: there is nothing to fetch
    reclassify: bool = (
        False  # the kept text is to be judged again: there is nothing to fetch either
    )
    traceparent: str = ""  # of the event that asked
    fetched: e.ItemFetched | None = None
    classified: e.ItemClassified | None = None
    corrected: e.ItemCorrected | None = None
    alias_of: str | None = None
    expired: Literal["page", "all"] | None = (
        None  # of what was kept, the newest revision included
    )

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels that count: a person's where there are any, else the model's."""
        if self.state is State.WITHDRAWN:
            return ()
        return self.corrected.labels if self.corrected else self.model_labels

    @property
    def model_labels(self) -> tuple[Label, ...]:
        if self.classified is None:
            return ()
        said = self.classified.model_labels
        return self.classified.labels if said is None else said

    @property
    def ended(self) -> bool:
        return self.state not in IN_FLIGHT

    def completion_key(self) -> str:
        """The claim under which this question may be answered once."""
        return f"ended:{self.request_position}"


def fold(item: Item, position: int, event: e.Event, traceparent: str = "") -> Item:
    """The item after one more event. Events that are not an item's are a fault of the caller (ValueError)."""
    item = replace(item, version=item.version + 1)
    if event.in_flight is e.InFlight.ENQUEUES:
        item = _asked(
            item,
            position,
            traceparent,
            reclassify=isinstance(event, e.ItemReclassifyRequested),
        )
    match event:
        case e.ItemSubmitted():
            return replace(
                item,
                url=event.url,
                canonical_url=event.canonical_url or event.url,
                via=event.via,
                feed=event.feed,
                submitted_at=position,
                given_digest=event.given_digest,
                use_given=event.url is None,
            )
        case e.ItemTextSupplied():
            return replace(item, given_digest=event.given_digest, use_given=True)
        case e.ItemRetryRequested() | e.ItemReclassifyRequested():
            return item
        case e.ItemDeferred():
            waiting = replace(
                item, state=State.WAITING, reason=event.reason, detail=event.detail
            )
            return replace(waiting, attempt=event.attempt, next_try=event.next_try)
        case e.ItemFetched():
            return replace(item, fetched=event, expired=None)
        case e.ItemRejected():
            # a refetch that fails takes nothing back of what was known
            state = State.CLASSIFIED if item.classified else State.REJECTED
            ended = replace(
                item,
                state=state,
                reason=event.reason,
                detail=event.detail,
                next_try=None,
            )
            return replace(ended, retryable=event.retryable)
        case e.ItemClassified():
            return replace(
                item,
                state=State.CLASSIFIED,
                classified=event,
                reason=None,
                detail="",
                next_try=None,
            )
        case e.ItemCorrected():
            return replace(item, corrected=None if event.withdrawn else event)
        case e.ItemWithdrawn():
            return replace(
                item, state=State.WITHDRAWN, reason=None, detail="", next_try=None
            )
        case e.ItemAliased():
            return replace(
                item,
                state=State.ALIASED,
                alias_of=event.into,
                reason=None,
                detail="",
                next_try=None,
            )
        case e.ItemExpired():
            return replace(item, expired=event.what if item.expired != "all" else "all")
        case _:
            raise ValueError(f"{event.type} is not an item's event")


def fold_all(item_id: str, history: Iterable[RecordedEvent]) -> Item:
    """The item as its whole history makes it; version 0 where there is none."""
    item = Item(id=item_id)
    for entry in history:
        item = fold(item, entry.position, entry.event, entry.traceparent)
    return item


def _asked(item: Item, position: int, traceparent: str, *, reclassify: bool) -> Item:
    asked = replace(
        item,
        state=State.QUEUED,
        request_position=position,
        traceparent=traceparent,
        reclassify=reclassify,
    )
    return replace(
        asked, attempt=0, next_try=None, reason=None, detail="", retryable=False
    )
