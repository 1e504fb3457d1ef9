"""The way in: submissions become items in the log, with their jobs, in one transaction.

Single, bulk and feed submissions all go through `submit_many`, under the same rules.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import redis

from incidentwire import items, queue
from incidentwire.archive import Archive
from incidentwire.events import (
    Event,
    ItemRetryRequested,
    ItemSubmitted,
    ItemTextSupplied,
)
from incidentwire.executor import Executor, run_here
from incidentwire.log.event_log import AppendRequest, EventLog, VersionConflict
from incidentwire.log.recorded_event import RecordedEvent
from incidentwire.queue import QueueEntry
from incidentwire.settings import Settings
from services.ingest import ownership
from services.ingest.admission import Admission
from services.ingest.errors import (
    ItemChanged,
    ItemInFlight,
    ItemIsWithdrawn,
    TooManyRequests,
    UnknownReceipt,
)
from services.ingest.submission import Submission, SubmissionOutcome


class Submitter:
    """Hands items to the log and the queue. `run` executes what waits for the disk."""

    def __init__(
        self, settings: Settings, connection: redis.Redis, run: Executor = run_here
    ) -> None:
        self.settings = settings
        self.log = EventLog(connection)
        self.archive = Archive(settings.archive)
        self._run = run
        self.admission = Admission(settings, connection)

    def submit_many(
        self,
        submissions: Sequence[Submission],
        *,
        via: str,
        feed: str | None = None,
        bulk: bool = True,
        traceparent: str = "",
    ) -> list[SubmissionOutcome]:
        """Append what is new and queue it, after single ones if `bulk`; on disk
        when this returns.

        Known items are left alone, except for a text that `ownership.may_use_text`.
        Of two copies in one body, the first counts. Raises Overloaded, and for supplied
        texts TooManyRequests and ItemChanged.
        """
        positions = self.log.first_positions([s.id for s in submissions])
        new: dict[str, Submission] = {}
        for submission in submissions:
            if submission.id not in positions:
                new.setdefault(submission.id, submission)
        self.admission.admit(len(new))
        if new:
            self._append(new, positions, via, feed, bulk, traceparent)
        outcomes = []
        for submission in submissions:
            is_new = new.get(submission.id) is submission
            # A feed carries the text of every entry, each time it is read.
            may_supply = not is_new and feed is None
            supplied = self._supply_text(submission, via) if may_supply else None
            outcomes.append(
                SubmissionOutcome(
                    id=submission.id,
                    position=supplied or positions[submission.id],
                    known=not is_new and supplied is None,
                )
            )
        return outcomes

    def retry(self, item_id: str, who: str) -> int:
        """Ask for the item to be fetched again now; return the position of the request.

        An item that waits for its next attempt is tried at once, on a new schedule.

        Raises UnknownReceipt, ItemIsWithdrawn, ItemInFlight, TooManyRequests and
        ItemChanged.
        """
        history = self.history(item_id)
        item = items.fold_all(item_id, history)
        if item.state is items.State.WITHDRAWN:
            raise ItemIsWithdrawn
        if not item.ended and item.state is not items.State.WAITING:
            raise ItemInFlight(f"The item is {item.state}. Wait until it has ended.")
        self._check_limit(history, who)
        return self._ask(item, ItemRetryRequested(who=who), who)

    def history(self, item_id: str) -> list[RecordedEvent]:
        """Return the item's own events. Raises UnknownReceipt."""
        history = self.log.history(item_id) if item_id.startswith("i_") else []
        if not history:
            raise UnknownReceipt
        return history

    def _check_limit(self, history: Sequence[RecordedEvent], who: str) -> None:
        if not ownership.is_request_left(history, who, time.time() * 1000):
            raise TooManyRequests

    def _append(
        self,
        new: dict[str, Submission],
        positions: dict[str, int],
        via: str,
        feed: str | None,
        bulk: bool,
        traceparent: str,
    ) -> None:
        """Append and queue; fill `positions`, drop from `new` what another was first with."""
        digests = self._archive(list(new.values()))
        requests = [
            self._request(submission, digest, via, feed, traceparent)
            for submission, digest in zip(new.values(), digests, strict=True)
        ]
        ids = list(new)
        results = self.log.append_many(
            requests, in_same_transaction=self._queue(new.values(), via, bulk)
        )
        for item_id, result in zip(ids, results, strict=True):
            if isinstance(result, Exception):
                positions |= self.log.first_positions([item_id])
                del new[item_id]
            else:
                positions[item_id] = result.first

    def _request(
        self,
        submission: Submission,
        digest: str | None,
        via: str,
        feed: str | None,
        traceparent: str,
    ) -> AppendRequest:
        address = submission.address
        url = address.url if address else None
        canonical = address.canonical if address else None
        event = ItemSubmitted(
            via=via,
            url=url,
            canonical_url=None if canonical == url else canonical,
            given_digest=digest,
            feed=feed,
        )
        # No idempotency key: that the item has no event yet says the same.
        return AppendRequest(
            events=[(submission.id, event)],
            expected_versions={submission.id: 0},
            traceparent=traceparent,
        )

    def _archive(self, submissions: Sequence[Submission]) -> list[str | None]:
        """Archive what was given; return the digests. A disk's sync would hold the loop."""
        if not any(submission.given for submission in submissions):
            return [None] * len(submissions)
        digests: list[str | None] = self._run(self._put_all, (submissions,))
        return digests

    def _put_all(self, submissions: Sequence[Submission]) -> list[str | None]:
        return [
            self.archive.put(s.id, s.given.to_bytes()) if s.given else None
            for s in submissions
        ]

    def _queue(
        self, new: Iterable[Submission], via: str, bulk: bool
    ) -> Callable[[redis.client.Pipeline], None]:
        """Return what queues the submissions: for the fetcher, or for a worker."""
        entries = [
            QueueEntry(
                id=submission.id,
                submitter=via,
                needs_fetch=submission.address is not None,
            )
            for submission in new
        ]
        return queue.enqueue(
            self.log.connection,
            entries,
            batch_items=self.settings.batch_items,
            bulk=bulk,
        )

    def _supply_text(self, submission: Submission, who: str) -> int | None:
        """Have a text used that came with a known URL; its position, None if it is not."""
        if submission.address is None or not submission.text:
            return None
        history = self.history(submission.id)
        item = items.fold_all(submission.id, history)
        if not ownership.may_use_text(item, history, who):
            return None  # nothing of it is kept
        self._check_limit(history, who)
        [digest] = self._archive([submission])
        is_same = item.given_digest == digest
        if digest is None or (is_same and (item.is_text_given or not item.ended)):
            return None
        return self._ask(item, ItemTextSupplied(who=who, given_digest=digest), who)

    def _ask(self, item: items.Item, event: Event, who: str) -> int:
        is_text = item.is_text_given or isinstance(event, ItemTextSupplied)
        entry = QueueEntry(id=item.id, submitter=who, needs_fetch=not is_text)
        try:
            done = self.log.append(
                item.id,
                event,
                expected_versions={item.id: item.version},
                in_same_transaction=queue.enqueue(self.log.connection, [entry]),
            )
        except VersionConflict:
            raise ItemChanged from None
        return done.last
