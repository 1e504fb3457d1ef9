"""The way in: submissions become items in the log, with their jobs, in one transaction.

Every way of handing in (single, bulk, feeds) goes through `submit_many`, so all obey the same rules.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from incidentwire import items, queue
from incidentwire.archive import Archive
from incidentwire.documents import StoredDocument
from incidentwire.events import (
    Event,
    ItemRetryRequested,
    ItemSubmitted,
    ItemTextSupplied,
)
from incidentwire.log.event_log import (
    IN_FLIGHT,
    AppendRequest,
    EventLog,
    VersionConflict,
)
from incidentwire.net import urls
from incidentwire.settings import Settings
from incidentwire.web.problems import Problem

LOAD_CHECK_S = 1.0  # the store is asked how full it is at most this often


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What somebody handed in, checked. `text` or `url` is there."""

    id: str
    url: str | None = None
    canonical_url: str | None = None
    given: StoredDocument | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Submission:
        """From the fields of SubmissionSchema. A text that comes with no URL has its id from title and text."""
        title, text, url = (
            fields.get("title", ""),
            fields.get("text", ""),
            fields.get("url"),
        )
        given = StoredDocument(
            title=title,
            text=text,
            published=fields.get("published"),
            language=fields.get("language"),
        )
        kept = given if given != StoredDocument() else None
        if url is None:
            return cls(id=urls.text_item_id(title, text), given=kept)
        canonical = urls.canonicalize(url)
        return cls(
            id=urls.item_id(canonical), url=url, canonical_url=canonical, given=kept
        )


@dataclass(frozen=True, kw_only=True)
class SubmissionOutcome:
    """What became of a submission: `known` where nothing was added, since the item was here already."""

    id: str
    position: int
    known: bool


class Submitter:
    """Hands items to the log and the queue."""

    def __init__(
        self,
        settings: Settings,
        connection: redis.Redis,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings, self.log, self.archive = (
            settings,
            EventLog(connection),
            Archive(settings.archive),
        )
        self.first = queue.open_queue(queue.CLASSIFY_FIRST, connection)
        self.bulk = queue.open_queue(queue.CLASSIFY, connection)
        self.clock = clock
        self._asked_at, self._overload = float("-inf"), ""

    def submit_many(
        self,
        submissions: Sequence[Submission],
        *,
        via: str,
        feed: str | None = None,
        traceparent: str = "",
    ) -> list[SubmissionOutcome]:
        """Append what is new, and queue it; on disk when this returns. Items handed in before are left alone, unless
        a text comes with the URL of an item that is still without one that counts.

        Raises Problem (503) where the system has as much under way as it may have.
        """
        self.refuse_when_overloaded()
        submitted = self.log.first_positions([s.id for s in submissions])
        new: dict[str, Submission] = {}
        for s in submissions:
            if s.id not in submitted:
                new.setdefault(
                    s.id, s
                )  # the first of two copies in one body is the one that counts
        if new:
            units = [self._unit(s, via, feed, traceparent) for s in new.values()]
            results = self.log.append_many(
                units, in_same_transaction=self._jobs(list(new))
            )
            for item_id, result in zip(list(new), results, strict=True):
                if isinstance(
                    result, Exception
                ):  # somebody else handed it in at this very moment
                    submitted |= self.log.first_positions([item_id])
                    del new[item_id]
                else:
                    submitted[item_id] = result.first
        outcomes = []
        for s in submissions:
            fresh = s.id in new and new.pop(s.id) is s
            position = submitted[s.id]
            supplied = None if fresh else self._supply_text(s, via)
            outcomes.append(
                SubmissionOutcome(
                    id=s.id,
                    position=supplied or position,
                    known=not fresh and supplied is None,
                )
            )
        return outcomes

    def retry(self, item_id: str, who: str) -> int:
        """Ask for the item to be fetched again; returns the position. Raises Problem 404, 409 or 410."""
        item = self.item(item_id)
        if item.state is items.State.WITHDRAWN:
            raise Problem(
                status=410,
                slug="withdrawn",
                detail="the item was withdrawn; it cannot be fetched again",
            )
        if not item.ended:
            detail = f"the item is {item.state} already: wait for its end"
            raise Problem(status=409, slug="in-flight", detail=detail)
        return self._ask(item, ItemRetryRequested(who=who))

    def item(self, item_id: str) -> items.Item:
        """The item as its own events make it. Raises Problem 404."""
        item = items.fold_all(item_id, self.log.history(item_id))
        if item.version == 0:
            raise Problem(status=404, slug="unknown-item", detail="no item has this id")
        return item

    def refuse_when_overloaded(self) -> None:
        """Raise Problem 503 past max_in_flight items or max_store_share of the store's memory."""
        if self.clock() - self._asked_at > LOAD_CHECK_S:
            self._asked_at, self._overload = self.clock(), self._overloaded()
        if self._overload:
            raise Problem(
                status=503, slug="overloaded", detail=self._overload, retry_after_s=30
            )

    def _overloaded(self) -> str:
        connection: Any = self.log.connection
        in_flight = connection.zcard(IN_FLIGHT)
        if in_flight >= self.settings.max_in_flight:
            return f"{in_flight} items are in flight; nothing was accepted, try later"
        memory = connection.info("memory")
        if (
            memory["maxmemory"]
            and memory["used_memory"]
            > self.settings.max_store_share * memory["maxmemory"]
        ):
            return "the store is nearly full; nothing was accepted, try later"
        return ""

    def _unit(
        self, s: Submission, via: str, feed: str | None, traceparent: str
    ) -> AppendRequest:
        event = ItemSubmitted(
            via=via,
            url=s.url,
            canonical_url=s.canonical_url if s.canonical_url != s.url else None,
            given_digest=self._keep(s),
            feed=feed,
        )
        # no claim is needed: that the item has no event yet says the same
        return AppendRequest(
            events=[(s.id, event)], expected_versions={s.id: 0}, traceparent=traceparent
        )

    def _keep(self, s: Submission) -> str | None:
        return self.archive.put(s.id, s.given.to_bytes()) if s.given else None

    def _jobs(self, ids: Sequence[str]) -> Callable[[redis.client.Pipeline], None]:
        if len(ids) == 1:
            return queue.jobs_for(self.first, queue.WORK_ON_ITEMS, [ids])
        return queue.jobs_for(
            self.bulk,
            queue.WORK_ON_ITEMS,
            queue.batches(ids, self.settings.batch_items),
        )

    def _supply_text(self, s: Submission, who: str) -> int | None:
        """Where a text comes with a known URL, and is not the one that is used already, let it be used."""
        if s.url is None or s.given is None or not s.given.text:
            return None
        item = items.fold_all(s.id, self.log.history(s.id))
        if item.state is items.State.WITHDRAWN:
            return None  # nothing of it may be kept again
        digest = self._keep(s)
        if digest is None or (item.is_text_given and item.given_digest == digest):
            return None
        return self._ask(item, ItemTextSupplied(who=who, given_digest=digest))

    def _ask(self, item: items.Item, event: Event) -> int:
        try:
            done = self.log.append(
                item.id,
                event,
                expected_versions={item.id: item.version},
                in_same_transaction=queue.jobs_for(
                    self.first, queue.WORK_ON_ITEMS, [[item.id]]
                ),
            )
        except VersionConflict:
            detail = "the item changed meanwhile: look at its receipt and try again"
            raise Problem(status=409, slug="changed", detail=detail) from None
        return done.last
