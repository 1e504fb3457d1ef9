"""The revisions of an item that were kept, by the item's own events, and their bytes. The log is asked, not the read
model: what was withdrawn a moment ago is gone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from incidentwire import events as e
from incidentwire import items
from incidentwire.archive import Archive, ContentCorrupt, ContentNotFound
from incidentwire.documents import StoredDocument
from incidentwire.items import State
from incidentwire.log.event_log import EventLog
from incidentwire.log.recorded_event import RecordedEvent
from incidentwire.telemetry import event_line
from incidentwire.web.problems import Problem
from services.api.items.response_head import header_pairs

MAX_ALIASES = 10  # hops

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StoredRevision:
    """One `item.fetched`: what was kept then, and whether its time is over. `url` is where it came from."""

    item: str
    url: str | None
    time_ms: int
    fetched: e.ItemFetched
    page_expired: bool = False
    text_expired: bool = False

    def is_named(self, digest: str) -> bool:
        return digest in (
            self.fetched.page_digest,
            self.fetched.document_digest,
            self.fetched.text_digest,
        )


def find(log: EventLog, item_id: str, digest: str | None = None) -> StoredRevision:
    """The newest revision of the item, or of the one it is an alias of; with `digest`, the newest that it names.
    Raises Problem 404 and 410."""
    history = _history(log, item_id)
    found = [
        revision
        for revision in revisions(history)
        if digest is None or revision.is_named(digest)
    ]
    if found:
        return found[-1]
    if digest is None:
        raise Problem(
            status=404, slug="no-evidence", detail="nothing was kept of this item (yet)"
        )
    raise Problem(
        status=404,
        slug="unknown-revision",
        detail="no revision of this item has this digest",
    )


def revisions(history: Sequence[RecordedEvent]) -> list[StoredRevision]:
    """Every revision, the oldest first."""
    url = next(
        (
            event.url
            for entry in history
            if isinstance(event := entry.event, e.ItemSubmitted)
        ),
        None,
    )
    page_until = text_until = 0  # what was kept before these positions has expired
    for entry in history:
        match entry.event:
            case e.ItemExpired(what="page"):
                page_until = entry.position
            case e.ItemExpired():
                page_until = text_until = entry.position
    return [
        StoredRevision(
            item=entry.subject,
            url=event.final_url or url,
            time_ms=entry.time_ms,
            fetched=event,
            page_expired=entry.position < page_until,
            text_expired=entry.position < text_until,
        )
        for entry in history
        if isinstance(event := entry.event, e.ItemFetched)
    ]


def page(
    archive: Archive, revision: StoredRevision
) -> tuple[bytes, list[tuple[str, str]]]:
    """(body, headers) of the kept page. Raises Problem 404 where there never was one, 410 where its time is over."""
    fetched = revision.fetched
    if fetched.page_digest is None:
        detail = f"the text was handed in, no page was fetched: see /v1/items/{revision.item}/text"
        raise Problem(status=404, slug="no-page", detail=detail)
    if revision.page_expired:
        raise Problem(
            status=410,
            slug="expired",
            detail="the page was deleted when its time was over",
        )
    headers = (
        _read(archive, revision.item, fetched.headers_digest)
        if fetched.headers_digest
        else b"[]"
    )
    body = _read(archive, revision.item, fetched.page_digest)
    return body, header_pairs(headers)


def document(
    archive: Archive, revision: StoredRevision
) -> tuple[bytes, StoredDocument]:
    """The kept document, as it is stored and as it reads. Raises Problem 410 where its time is over."""
    if revision.text_expired:
        raise Problem(
            status=410,
            slug="expired",
            detail="the text was deleted when its time was over",
        )
    data = _read(archive, revision.item, revision.fetched.document_digest)
    return data, StoredDocument.from_bytes(data)


def _history(log: EventLog, item_id: str) -> list[RecordedEvent]:
    """The events of the item, or of the one that it stands for. Raises Problem 404, or 410 where it was withdrawn."""
    for _ in range(MAX_ALIASES):
        history = log.history(item_id) if item_id.startswith("i_") else []
        item = items.fold_all(item_id, history)
        if item.state is State.WITHDRAWN:
            raise Problem(
                status=410,
                slug="withdrawn",
                detail="the item was withdrawn, and what was kept is deleted",
            )
        if item.alias_of is None or item.state is not State.ALIASED:
            break
        item_id = item.alias_of
    if not history:
        raise Problem(status=404, slug="unknown-item", detail="no item has this id")
    return history


def _read(archive: Archive, item_id: str, digest: str) -> bytes:
    try:
        return archive.get(item_id, digest)
    except (ContentNotFound, ContentCorrupt) as error:
        logger.error(
            event_line(
                "archive cannot give what the log names",
                item_id=item_id,
                error=str(error),
            )
        )
        detail = "the archive does not have these bytes as they were kept: `incidentwire check` says more"
        raise Problem(status=500, slug="evidence-damaged", detail=detail) from None
