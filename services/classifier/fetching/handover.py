"""Hand pages from the fetcher to the workers: bytes in the archive, the rest in Redis.

A page that waits for a worker has a record under its item in the hash FETCHED. A page
that only refreshes to another goes back to the fetcher, with the address to fetch in
the hash REFRESHED. Both belong to one request of the item and are dropped when it ends;
if one is lost, the page is fetched again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import redis

from incidentwire.archive import Archive, ContentCorrupt, ContentNotFound
from incidentwire.documents import StoredDocument
from incidentwire.items import Item
from incidentwire.queue import FETCHED
from services.classifier.fetching.result import FetchedPage, FetchFailure

# Reasons that say nothing against the text that came with the address. If a page does
# not exist, or must not be asked for, its text may have been taken back.
REFUSALS = frozenset(
    {
        "forbidden",
        "http_status",
        "incomplete",
        "robots_disallowed",
        "robots_unreachable",
        "too_many_requests",
    }
)
REFRESHED = "iw:fetch_refreshed"  # hash: item id -> Address (JSON)


@dataclass(frozen=True, kw_only=True)
class Address:
    """What to fetch for a request of an item, after so many refreshes."""

    request: int  # position
    url: str
    refreshes: int = 0


@dataclass(frozen=True, kw_only=True)
class PageRecord:
    """A page in the archive that waits for a worker."""

    request: int  # position
    url: str
    refreshes: int
    status: int
    media_type: str
    charset: str | None
    robots_allowed: bool | None
    page_digest: str
    headers_digest: str


@dataclass(frozen=True, kw_only=True)
class RefusedPage:
    """A page that will not be fetched; the text that came with its address may do."""

    request: int  # position
    reason: str
    detail: str
    retryable: bool

    @classmethod
    def of(cls, item: Item, failure: FetchFailure) -> RefusedPage:
        """Return the record of the last attempt's failure."""
        return cls(
            request=item.request_position,
            reason=failure.reason,
            detail=failure.detail,
            retryable=failure.retryable,
        )

    @property
    def failure(self) -> FetchFailure:
        """The failure of the last attempt."""
        return FetchFailure(
            reason=self.reason, detail=self.detail, retryable=self.retryable
        )


Record = TypeVar("Record", PageRecord, RefusedPage, Address)


def may_use_given(item: Item, reason: str) -> bool:
    """Return whether the text that came with the address, such as a feed's own, may
    stand in for a page that failed for `reason`."""
    is_first = item.fetched is None and item.corrected is None
    return is_first and item.given_digest is not None and reason in REFUSALS


def archive_page(
    archive: Archive, item: Item, address: Address, page: FetchedPage
) -> PageRecord:
    """Store page and headers, synced, and return the record that names them."""
    return PageRecord(
        request=item.request_position,
        url=page.url,
        refreshes=address.refreshes,
        status=page.status,
        media_type=page.media_type,
        charset=page.charset,
        robots_allowed=page.robots_allowed,
        page_digest=archive.put(item.id, page.body),
        headers_digest=archive.put(item.id, page.headers),
    )


def load_page(archive: Archive, item: Item, record: PageRecord) -> FetchedPage:
    """Return the page. Raises ContentNotFound and ContentCorrupt."""
    return FetchedPage(
        url=record.url,
        status=record.status,
        media_type=record.media_type,
        charset=record.charset,
        headers=archive.get(item.id, record.headers_digest),
        body=archive.get(item.id, record.page_digest),
        robots_allowed=record.robots_allowed,
    )


def stored_text(archive: Archive, item: Item) -> str:
    """Return the text of an item's page, empty if none is stored."""
    if item.fetched is None:
        return ""
    try:
        content = archive.get(item.id, item.fetched.document_digest)
    except (ContentNotFound, ContentCorrupt):
        return ""
    return StoredDocument.from_bytes(content).text


def encode(record: PageRecord | RefusedPage | Address) -> str:
    """Return the record as the hashes hold it."""
    return json.dumps(dataclasses.asdict(record))


def page_record(connection: redis.Redis, item: Item) -> PageRecord | RefusedPage | None:
    """Return the record of the page that waits for a worker, if there is one."""
    found = cast("bytes | None", connection.hget(FETCHED, item.id))
    if found is None:
        return None
    record = _decoded(PageRecord, found) or _decoded(RefusedPage, found)
    is_of_request = record is not None and record.request == item.request_position
    return record if is_of_request else None


def addresses(connection: redis.Redis, items: Sequence[Item]) -> list[Address]:
    """Return what to fetch for each item: the submitted URL, or where it refreshed to."""
    if not items:
        return []
    rows = cast(
        "list[bytes | None]",
        connection.hmget(REFRESHED, [item.id for item in items]),
    )
    return [_address(item, row) for item, row in zip(items, rows, strict=True)]


def _address(item: Item, stored: bytes | None) -> Address:
    address = None if stored is None else _decoded(Address, stored)
    if address is not None and address.request == item.request_position:
        return address
    return Address(request=item.request_position, url=item.url or "")


def _decoded(kind: type[Record], stored: bytes) -> Record | None:
    """Return a record; None for another kind, another release's, or a damaged one."""
    try:
        return kind(**json.loads(stored))
    except (TypeError, ValueError):
        return None


def drop(pipe: Any, item_id: str) -> None:
    """Add the removal of both records to a pipeline."""
    pipe.hdel(FETCHED, item_id)
    pipe.hdel(REFRESHED, item_id)
