"""The worker's job: bring items to their end. What is to be done is read from the log, so a job may come twice.

Order of things, for each item: fetch, keep the bytes, extract, keep the text, classify, append. Bytes are on disk
before their event is in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from time import monotonic

import redis

from incidentwire import items, queue, settings
from incidentwire.archive import Archive, ContentNotFound
from incidentwire.documents import StoredDocument
from incidentwire.events import Event, ItemAliased, ItemRejected
from incidentwire.items import Item
from incidentwire.log.event_log import EventLog, Withdrawn
from incidentwire.net.client import HttpClient
from incidentwire.net.rate_limit import HostRateLimiter
from incidentwire.settings import Settings
from incidentwire.store import connect_when_ready
from incidentwire.telemetry import event_line
from services.classifier import duplicates, outcomes
from services.classifier.extraction.extract import Document, extract
from services.classifier.fetching.fetcher import FetchResult, PageFetcher
from services.classifier.fetching.result import FetchedPage, FetchFailure
from services.classifier.fetching.robots import Robots
from services.classifier.labelling.classifier import Classifier
from services.classifier.lease import Lease
from services.classifier.linking.fingerprint_key import fingerprint_key
from services.classifier.llm_review import LlmReviewer
from services.classifier.outcomes import Revision

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class WorkerContext:
    """What a worker needs, made once per process; the model is loaded before the fork, so that all horses share it."""

    settings: Settings
    log: EventLog
    archive: Archive
    classifier: Classifier
    slots: HostRateLimiter
    llm_review: LlmReviewer
    fingerprint_key: bytes

    @classmethod
    def of(
        cls, settings: Settings, connection: redis.Redis, classifier: Classifier
    ) -> WorkerContext:
        """On a connection that does not decode responses."""
        return cls(
            settings=settings,
            log=EventLog(connection),
            archive=Archive(settings.archive),
            classifier=classifier,
            slots=HostRateLimiter.of(settings, connection),
            llm_review=LlmReviewer(settings, connection),
            fingerprint_key=fingerprint_key(settings, connection),
        )


@cache
def worker_context() -> WorkerContext:
    """The workplace of this process, from the environment."""
    s = settings.from_env()
    return WorkerContext.of(s, connect_when_ready(s.redis_url), Classifier.load())


WARM_UP = (
    b"<html><head><title>Warm-up</title></head><body><article><p>%s</p></article></body></html>"
    % (
        b"A sentence of the kind that articles are made of, so that there is something to read. "
        * 8
    )
)


def warm_up(place: WorkerContext) -> None:
    """Read and judge a page of no consequence: what libraries load at first use (1 s) is loaded before the fork."""
    document = extract(
        WARM_UP, media_type="text/html", charset=None, url="https://example.org/"
    )
    place.classifier.classify(document.title, document.text)


def work_on_items(ids: Sequence[str]) -> None:
    """Bring each item to its end, or to its next attempt. The function that RQ calls."""
    work(worker_context(), ids)


def work(place: WorkerContext, ids: Sequence[str]) -> None:
    """The same, with a workplace given."""
    with Lease(place.log.connection, ids) as lease:
        due = [item for item in _items(place.log, ids) if _is_due(item)]
        for item in due:
            if item.pending != "fetch":
                _conclude(place, item, None)
                lease.done(item.id)
        pages = [item for item in due if item.pending == "fetch"]
        for item, found in _fetch_all(place, pages):
            _conclude(place, item, found)
            lease.done(item.id)


def _items(log: EventLog, ids: Sequence[str]) -> Iterator[Item]:
    for item_id, history in zip(ids, log.histories(ids), strict=True):
        yield items.fold_all(item_id, history)


def _is_due(item: Item) -> bool:
    """In flight, and not waiting for later: what came twice, or was withdrawn meanwhile, is left alone."""
    if item.version == 0 or item.ended:
        return False
    return item.next_try is None or datetime.fromisoformat(item.next_try) <= now()


def _conclude(place: WorkerContext, item: Item, found: FetchResult | None) -> None:
    """Answer the item's question in the log. What goes wrong in the item itself must not stop its neighbours, and
    must end as a fact: it is logged with its trace and counts as a failed attempt."""
    began = monotonic()
    try:
        facts = _facts(place, item, found)
    except (redis.exceptions.RedisError, OSError):
        raise  # the house is on fire, not the item: the job fails, and the keeper queues it again
    except Exception as error:
        logger.exception(
            event_line("item failed", item_id=item.id, error=type(error).__name__)
        )
        facts = [
            failed(
                place,
                item,
                FetchFailure(
                    reason="internal", detail=type(error).__name__, retryable=True
                ),
            )
        ]
    record(place, item, facts, duration_ms=round((monotonic() - began) * 1000))


def record(
    place: WorkerContext, item: Item, facts: Sequence[Event], **measured: object
) -> None:
    """Append the answer to the item's question, once."""
    last = facts[-1]
    once = (
        item.completion_key()
        if last.in_flight == "ends"
        else f"waits:{item.request_position}:{item.attempt + 1}"
    )
    try:
        done = place.log.append(
            item.id, *facts, idempotency_key=once, traceparent=item.traceparent
        )
    except Withdrawn:
        place.archive.delete(
            item.id
        )  # what this run kept must not outlive the withdrawal
        logger.info(event_line("item withdrawn meanwhile", item_id=item.id))
        return
    logger.info(
        event_line(
            last.type.replace(".", " "), item_id=item.id, position=done.last, **measured
        )
    )


def _facts(place: WorkerContext, item: Item, found: FetchResult | None) -> list[Event]:
    if found is None:
        try:
            revision = (
                _kept_revision(place, item)
                if item.pending == "reclassify"
                else _given_revision(place, item)
            )
        except ContentNotFound:
            return [
                ItemRejected(
                    reason="not_kept",
                    detail="the text is not kept any more: hand it in again",
                )
            ]
    elif isinstance(found, FetchFailure):
        return [failed(place, item, found)]
    else:
        page, document = found
        original = duplicates.find_original(
            item,
            page.url,
            document,
            lambda other: items.fold_all(other, place.log.history(other)),
        )
        if original:
            return [
                ItemAliased(into=original.item_id, canonical_url=original.canonical_url)
            ]
        revision = _keep(place, item, page, document)
        if document.shortcoming:
            return [
                outcomes.fetched(revision),
                ItemRejected(reason="incomplete", detail=document.shortcoming),
            ]
    kept = revision.document
    said = place.classifier.classify(
        kept.title,
        kept.text,
        kept.language,
        published=kept.published,
        key=place.fingerprint_key,
    )
    opinion = place.llm_review.on(kept.title, kept.text, said, now())
    if opinion:
        said = opinion.said
    about = opinion.about if opinion else None
    judged = outcomes.classified(
        item, kept.text_digest, said, place.classifier.version, about
    )
    same = (
        item.fetched is not None
        and item.fetched.document_digest == revision.document_digest
    )
    same = same and not (
        item.expired and revision.page
    )  # what had expired is kept again: that is a fact
    return [judged] if same else [outcomes.fetched(revision), judged]


def failed(place: WorkerContext, item: Item, failure: FetchFailure) -> Event:
    """A failed attempt as a fact: the next attempt, or the end."""
    s = place.settings
    return outcomes.retry_or_reject(
        item, failure, s.retry_delays_s, s.max_retry_after_s, now()
    )


def _given_revision(place: WorkerContext, item: Item) -> Revision:
    """The text that was handed in; it is in the archive already, and is kept again only where it has to be cleaned."""
    digest = item.given_digest or ""
    given = StoredDocument.from_bytes(place.archive.get(item.id, digest))
    document = outcomes.clean_given(given)
    if document != given:
        digest = place.archive.put(item.id, document.to_bytes())
    return Revision(document=document, document_digest=digest)


def _kept_revision(place: WorkerContext, item: Item) -> Revision:
    assert item.fetched is not None  # noqa: S101  # so says item.pending
    digest = item.fetched.document_digest
    document = StoredDocument.from_bytes(place.archive.get(item.id, digest))
    return Revision(document=document, document_digest=digest)


def _keep(
    place: WorkerContext, item: Item, page: FetchedPage, found: Document
) -> Revision:
    """Page, headers and document into the archive, synced."""
    given = None
    if item.given_digest and place.archive.has(
        item.id, item.given_digest
    ):  # its time may be over
        given = StoredDocument.from_bytes(place.archive.get(item.id, item.given_digest))
    document = outcomes.kept_document(found, given)
    return Revision(
        document=document,
        document_digest=place.archive.put(item.id, document.to_bytes()),
        page=page,
        page_digest=place.archive.put(item.id, page.body),
        headers_digest=place.archive.put(item.id, page.headers),
        completeness=found.completeness,
    )


# -- fetching ------------------------------------------------------------------------------------------------------


def _fetch_all(
    place: WorkerContext, wanted: Sequence[Item]
) -> Iterator[tuple[Item, FetchResult]]:
    """Pages as they come, while earlier ones are extracted."""
    if not wanted:
        return
    with HttpClient.of(place.settings) as door:
        visitor = PageFetcher(
            door=door,
            robots=Robots(place.log.connection, door),
            slots=place.slots,
            threads=place.settings.fetch_threads,
            requeue=partial(_requeue, place),
            now=now,
        )
        yield from visitor.fetch_all(wanted)


def _requeue(place: WorkerContext, ids: Sequence[str]) -> None:
    later = queue.open_queue(queue.CLASSIFY, place.log.connection)
    with place.log.connection.pipeline(transaction=True) as pipe:
        pipe.multi()
        queue.jobs_for(later, queue.WORK_ON_ITEMS, [ids])(pipe)
        pipe.execute()


def now() -> datetime:
    return datetime.now(UTC)
