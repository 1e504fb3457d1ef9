"""The workers' job: bring items to their end. What is to be done is read from the log,
so that a job may run twice.

A worker never waits for a page: the fetcher has put it into the archive. For each item:
read the page or the given text, store the document, classify, append. Bytes are synced
before the event that names them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic

import redis

from incidentwire import items, queue
from incidentwire.archive import (
    Archive,
    ArchiveUnavailable,
    ContentCorrupt,
    ContentNotFound,
)
from incidentwire.documents import StoredDocument
from incidentwire.events import Event, ItemAliased, ItemFetched, ItemRejected
from incidentwire.items import Item, State
from incidentwire.lifecycle import outage_reason
from incidentwire.log.event_log import EventLog
from incidentwire.queue import QueueEntry
from incidentwire.settings import Settings
from incidentwire.telemetry import event_line
from services.classifier import duplicates, item_events, redirects
from services.classifier.analysis import AnalysisCrashed, Analyzer, TooComplex
from services.classifier.extraction.extract import Document
from services.classifier.fetching import handover
from services.classifier.fetching.handover import Address, PageRecord, RefusedPage
from services.classifier.fetching.result import FetchedPage, FetchFailure
from services.classifier.item_events import Revision
from services.classifier.keeping.retained import retained
from services.classifier.labelling.classifier import Classifier
from services.classifier.lease import Lease
from services.classifier.linking.fingerprint_key import fingerprint_key
from services.classifier.llm_review import LlmReviewer
from services.classifier.page_reading import MAX_REFRESHES, only_refreshes
from services.classifier.recorder import STARTED, OutcomeRecorder, is_due
from services.classifier.text.words import count_words

MAX_STARTS = 3  # of one item without an outcome: past it, the item kills its workers
MIN_GIVEN_WORDS = 60  # of a text that stands in for its page; a teaser has fewer
DAMAGED = (
    "The stored text is damaged. Submit it again, or restore the archive from a backup and "
    "retry the item."
)
STOP_S = 5.0  # time that the item in work has to end on SIGTERM

logger = logging.getLogger(__name__)

AskedToStop = Callable[[], bool]


class Stopping(Exception):
    """The worker was asked to stop while it waited for the sandbox."""


@dataclass(frozen=True, kw_only=True)
class WorkerContext:
    """What a worker needs, made once per process."""

    settings: Settings
    log: EventLog
    archive: Archive
    analyzer: Analyzer
    recorder: OutcomeRecorder
    llm_review: LlmReviewer
    fingerprint_key: bytes

    @classmethod
    def of(
        cls,
        settings: Settings,
        connection: redis.Redis,
        classifier: Classifier,
        analyzer: Analyzer | None = None,
    ) -> WorkerContext:
        """Build it on a connection that does not decode responses."""
        log = EventLog(connection)
        archive = Archive(settings.archive)
        return cls(
            settings=settings,
            log=log,
            archive=archive,
            analyzer=analyzer or Analyzer(classifier),
            recorder=OutcomeRecorder(settings=settings, log=log, archive=archive),
            llm_review=LlmReviewer(settings, connection),
            fingerprint_key=fingerprint_key(settings, connection),
        )


def work(
    context: WorkerContext,
    ids: Sequence[str],
    asked_to_stop: AskedToStop = lambda: False,
) -> None:
    """Bring each item to its end, or to its next attempt.

    If `asked_to_stop` returns True, the items that are left go back to the queue.
    Outages of store and archive are raised: the keeper queues what is left then.
    """
    lease = Lease(context.log.connection, ids)
    for item in _items(context.log, ids):
        if asked_to_stop():
            break
        lease.renew()
        try:
            _work_on(context, item, lease, asked_to_stop)
        except Stopping:
            context.recorder.uncount(item.id)
            break
        except ArchiveUnavailable:  # the item is not to blame
            context.recorder.uncount(item.id)
            raise
        lease.discard(item.id)
    _give_back(context, lease.ids)


def _items(log: EventLog, ids: Sequence[str]) -> Iterator[Item]:
    for item_id, history in zip(ids, log.histories(ids), strict=True):
        yield items.fold_all(item_id, history)


def _give_back(context: WorkerContext, ids: set[str]) -> None:
    if ids:
        left = [QueueEntry(id=i, submitter="", needs_fetch=False) for i in sorted(ids)]
        queue.enqueue_now(context.log.connection, left, front=True)
        logger.info(event_line("items given back", items=len(left)))


def _work_on(
    context: WorkerContext, item: Item, lease: Lease, asked_to_stop: AskedToStop
) -> None:
    if not is_due(item, context.recorder.now()):
        if item.ended:
            context.recorder.forget(item.id, withdrawn=item.state is State.WITHDRAWN)
        return
    if context.recorder.count_start(item.id) > MAX_STARTS:
        logger.error(event_line("item kills its workers", item_id=item.id))
        context.recorder.append_failure(
            item, FetchFailure(reason="crashed", retryable=True)
        )
        return
    process_item(context, item, _Waiting(lease=lease, asked_to_stop=asked_to_stop))


@dataclass(kw_only=True)
class _Waiting:
    """Called while the sandbox works: keeps the lease, and ends a wait on SIGTERM."""

    lease: Lease
    asked_to_stop: AskedToStop
    stop_at: float | None = None  # on time.monotonic()

    def __call__(self) -> None:
        self.lease.renew()
        if not self.asked_to_stop():
            return
        if self.stop_at is None:
            self.stop_at = monotonic() + STOP_S
        elif monotonic() > self.stop_at:
            raise Stopping


def process_item(
    context: WorkerContext, item: Item, while_waiting: Callable[[], None]
) -> None:
    """Answer the item's open request in the log.

    A failure of the item itself must not stop its neighbours: it is logged with its
    traceback and counts as a failed attempt. Failures of store or archive are raised.
    """
    began = monotonic()
    processing = _Processing(context, item, while_waiting)
    try:
        events = processing.events()
    except Stopping:
        raise
    except TooComplex as error:
        needed = "memory" if error.limit == "memory" else f"{error.limit} time"
        detail = f"reading it takes too much {needed}"
        events = [ItemRejected(reason="too_complex", detail=detail)]
        logger.warning(event_line("item too complex", item_id=item.id, of=error.limit))
    except AnalysisCrashed:
        logger.error(event_line("analysis crashed", item_id=item.id))
        crash = FetchFailure(reason="crashed", retryable=True)
        events = [context.recorder.failed(item, crash)]
    except Exception as error:
        if outage_reason(error) is not None:
            raise
        logger.exception(event_line("item failed", item_id=item.id))
        kind = type(error).__name__
        failure = FetchFailure(reason="internal", detail=kind, retryable=True)
        events = [context.recorder.failed(item, failure)]
    if events:
        duration_ms = round((monotonic() - began) * 1000)
        context.recorder.append_outcome(item, events, duration_ms=duration_ms)
        if not any(isinstance(event, ItemFetched) for event in events):
            processing.discard_page()


@dataclass
class _Processing:
    """The steps of one item. Each returns the events to append; no events mean that the
    item went back to the fetcher."""

    context: WorkerContext
    item: Item
    while_waiting: Callable[[], None]
    record: PageRecord | None = None  # the page that the fetcher handed over

    def discard_page(self) -> None:
        """Delete the page that was handed over, unless a revision has the same bytes."""
        if self.record is None:
            return
        named = retained(self.item.id, self.context.log.history(self.item.id)).named
        for digest in {self.record.page_digest, self.record.headers_digest} - named:
            self.context.archive.delete(self.item.id, digest)

    def events(self) -> list[Event]:
        if self.item.pending == "fetch":
            return self._page()
        try:
            revision = self._stored_revision()
        except ContentNotFound:
            detail = "The text is no longer stored. Submit it again."
            return [ItemRejected(reason="not_kept", detail=detail)]
        except ContentCorrupt:  # no later attempt finds other bytes
            logger.error(event_line("stored text damaged", item_id=self.item.id))
            return [ItemRejected(reason="not_kept", detail=DAMAGED, retryable=True)]
        return self._classified(revision)

    def _page(self) -> list[Event]:
        record = handover.page_record(self.context.log.connection, self.item)
        if record is None:
            return self._fetch_again()
        if isinstance(record, RefusedPage):
            return self._failed(record.failure)
        self.record = record
        try:
            page = handover.load_page(self.context.archive, self.item, record)
        except (ContentNotFound, ContentCorrupt):
            return self._fetch_again()
        document = self.context.analyzer.read(page, self.while_waiting)
        if isinstance(document, FetchFailure):
            return self._failed(document)
        if document.refresh_url:
            return self._refresh(record, document.refresh_url)
        return self._document(record, page, document)

    def _document(
        self, record: PageRecord, page: FetchedPage, document: Document
    ) -> list[Event]:
        connection = self.context.log.connection
        reached_before = redirects.reached_before(connection, self.item.id)
        text_of = partial(handover.stored_text, self.context.archive)
        original = duplicates.find_original(
            self.item, page.url, document, self._known_item, text_of, reached_before
        )
        if original:
            return [
                ItemAliased(into=original.item_id, canonical_url=original.canonical_url)
            ]
        if document.shortcoming:
            given = self._given_instead("incomplete", document.words)
            if given:
                self.discard_page()
                return self._classified(given)
        revision = self._store(record, page, document)
        redirects.remember(connection, self.item.id, page.url)
        if document.shortcoming:
            rejected = ItemRejected(reason="incomplete", detail=document.shortcoming)
            return [item_events.fetched(revision), rejected]
        return self._classified(revision)

    def _failed(self, failure: FetchFailure) -> list[Event]:
        event = self.context.recorder.failed(self.item, failure)
        if isinstance(event, ItemRejected):
            given = self._given_instead(failure.reason)
            if given:
                return self._classified(given)
        return [event]

    def _given_instead(self, reason: str, page_words: int = 0) -> Revision | None:
        """Return the text that came with the address, such as a feed's own, if it may
        stand in for the page; None if it may not, or says less than the page."""
        if not handover.may_use_given(self.item, reason):
            return None
        try:
            revision = self._given_revision()
        except (ContentNotFound, ContentCorrupt):
            return None
        words = count_words(revision.document.text)
        return revision if words > max(page_words, MIN_GIVEN_WORDS) else None

    def _known_item(self, item_id: str) -> Item:
        return items.fold_all(item_id, self.context.log.history(item_id))

    def _refresh(self, record: PageRecord, url: str) -> list[Event]:
        """Send the item back to the fetcher, for the page that this one refreshes to."""
        if record.refreshes >= MAX_REFRESHES:
            return [self.context.recorder.failed(self.item, only_refreshes())]
        address = Address(
            request=self.item.request_position,
            url=url,
            refreshes=record.refreshes + 1,
        )
        self.discard_page()
        return self._fetch_again(address)

    def _fetch_again(self, address: Address | None = None) -> list[Event]:
        connection = self.context.log.connection
        with connection.pipeline(transaction=True) as pipe:
            pipe.multi()
            handover.drop(pipe, self.item.id)
            if address:
                pipe.hset(handover.REFRESHED, self.item.id, handover.encode(address))
            queue.enqueue(connection, [QueueEntry.of(self.item)])(pipe)
            pipe.hdel(STARTED, self.item.id)
            pipe.execute()
        return []

    def _stored_revision(self) -> Revision:
        """Return the text to classify. Raises ContentNotFound."""
        if self.item.pending == "reclassify" and self.item.fetched is not None:
            digest = self.item.fetched.document_digest
            document = self._archived(digest)
            return Revision(document=document, document_digest=digest)
        return self._given_revision()

    def _given_revision(self) -> Revision:
        digest = self.item.given_digest or ""
        given = self._archived(digest)
        document = item_events.clean_given(given, self.context.recorder.now())
        if document != given:
            digest = self.context.archive.put(self.item.id, document.to_bytes())
        return Revision(document=document, document_digest=digest)

    def _archived(self, digest: str) -> StoredDocument:
        return StoredDocument.from_bytes(self.context.archive.get(self.item.id, digest))

    def _store(
        self, record: PageRecord, page: FetchedPage, found: Document
    ) -> Revision:
        """Store the document; the fetcher has stored page and headers."""
        given = self._given_document()
        document = item_events.document_of(found, given, self.context.recorder.now())
        return Revision(
            document=document,
            document_digest=self.context.archive.put(self.item.id, document.to_bytes()),
            page=page,
            page_digest=record.page_digest,
            headers_digest=record.headers_digest,
            completeness=found.completeness,
        )

    def _given_document(self) -> StoredDocument | None:
        """Return what was submitted beside the address, None if it is not readable."""
        if not self.item.given_digest:
            return None
        try:
            return self._archived(self.item.given_digest)
        except (ContentNotFound, ContentCorrupt):
            return None

    def _classified(self, revision: Revision) -> list[Event]:
        context = self.context
        document = revision.document
        judged = context.analyzer.classify(
            document, context.fingerprint_key, self.while_waiting
        )
        self.while_waiting()
        review = context.llm_review.review(document, judged, context.recorder.now())
        event = item_events.classified(
            self.item,
            document.text_digest,
            review.classification if review else judged,
            context.analyzer.model,
            review.provenance if review else None,
        )
        if self._is_stored_already(revision):
            return [event]
        return [item_events.fetched(revision), event]

    def _is_stored_already(self, revision: Revision) -> bool:
        """Return whether the newest revision is this one. If its page had expired, that
        it is stored again is a fact."""
        fetched = self.item.fetched
        if fetched is None or fetched.document_digest != revision.document_digest:
            return False
        return not (self.item.expired and revision.page)
