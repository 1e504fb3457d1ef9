"""The stored revisions of an item, by the item's own events, and their bytes.

Answers come from the log, not the read model: a withdrawal takes effect at once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from incidentwire import events as e
from incidentwire.archive import Archive, ContentCorrupt, ContentNotFound
from incidentwire.documents import StoredDocument
from incidentwire.items import MAX_ALIASES, State
from incidentwire.log.event_log import EventLog
from incidentwire.log.recorded_event import RecordedEvent
from incidentwire.telemetry import event_line
from services.api.errors import (
    ContentExpired,
    EvidenceDamaged,
    NoEvidence,
    NoPage,
    UnknownRevision,
    WithdrawnItem,
)
from services.api.items.headers import StoredHeaders
from services.api.items.lookup import item_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StoredRevision:
    """One `item.fetched`: what was stored, and what has expired since.

    `url` is the address that the page came from.
    """

    item: str
    url: str | None
    time_ms: int
    fetched: e.ItemFetched
    page_expired: bool = False
    text_expired: bool = False

    def is_named(self, digest: str) -> bool:
        """Return whether the digest is of this revision's page, document or text."""
        return digest in (
            self.fetched.page_digest,
            self.fetched.document_digest,
            self.fetched.text_digest,
        )


def find(log: EventLog, item_id: str, digest: str | None = None) -> StoredRevision:
    """Return the newest revision of the item, or of the target of an alias.

    With `digest`, the newest revision that has it. Raises UnknownItem, WithdrawnItem,
    NoEvidence or UnknownRevision.
    """
    found = [
        revision
        for revision in revisions(_history(log, item_id))
        if digest is None or revision.is_named(digest)
    ]
    if found:
        return found[-1]
    raise NoEvidence if digest is None else UnknownRevision


def revisions(history: Sequence[RecordedEvent]) -> list[StoredRevision]:
    """Return every revision, the oldest first."""
    submitted = (
        entry.event for entry in history if isinstance(entry.event, e.ItemSubmitted)
    )
    first = next(submitted, None)
    url = first.url if first else None
    page_until = 0  # pages stored before this position have expired
    text_until = 0  # the same of texts
    for entry in history:
        match entry.event:
            case e.ItemExpired(what="page"):
                page_until = entry.position
            case e.ItemExpired():
                page_until = entry.position
                text_until = entry.position
    return [
        StoredRevision(
            item=entry.subject,
            url=entry.event.final_url or url,
            time_ms=entry.time_ms,
            fetched=entry.event,
            page_expired=entry.position < page_until,
            text_expired=entry.position < text_until,
        )
        for entry in history
        if isinstance(entry.event, e.ItemFetched)
    ]


def page(archive: Archive, revision: StoredRevision) -> tuple[bytes, StoredHeaders]:
    """Return the stored page. Raises NoPage, ContentExpired or EvidenceDamaged."""
    fetched = revision.fetched
    if fetched.page_digest is None:
        raise NoPage(revision.item)
    if revision.page_expired:
        raise ContentExpired("page")
    raw = b""
    if fetched.headers_digest:
        raw = _read(archive, revision.item, fetched.headers_digest)
    body = _read(archive, revision.item, fetched.page_digest)
    return body, StoredHeaders.from_bytes(raw, fetched.status or 200)


def document(
    archive: Archive, revision: StoredRevision
) -> tuple[bytes, StoredDocument]:
    """Return the stored document, as bytes and decoded.

    Raises ContentExpired or EvidenceDamaged.
    """
    if revision.text_expired:
        raise ContentExpired("text")
    data = _read(archive, revision.item, revision.fetched.document_digest)
    return data, StoredDocument.from_bytes(data)


def _history(log: EventLog, item_id: str) -> Sequence[RecordedEvent]:
    """Return the events of the item, or of the target of an alias."""
    history: Sequence[RecordedEvent] = ()
    for _ in range(MAX_ALIASES):
        item, history = item_of(log, item_id)
        if item.state is State.WITHDRAWN:
            raise WithdrawnItem
        if item.alias_of is None or item.state is not State.ALIASED:
            break
        item_id = item.alias_of
    return history


def _read(archive: Archive, item_id: str, digest: str) -> bytes:
    try:
        return archive.get(item_id, digest)
    except (ContentNotFound, ContentCorrupt) as error:
        logger.error(
            event_line(
                "archive lacks what the log names", item_id=item_id, error=str(error)
            )
        )
        raise EvidenceDamaged from None
