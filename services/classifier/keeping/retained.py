"""What the archive should hold of an item, by the item's own events. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from incidentwire import events as e
from incidentwire import items
from incidentwire.items import Item, State
from incidentwire.log.recorded_event import RecordedEvent


@dataclass
class Retained:
    """The digests of an item by their fate.

    `pages` (with their headers) and `texts` (documents) stay; `gone` were withdrawn or
    have expired. `page_ms` and `text_ms` are the times at which the newest were stored.
    """

    item: Item
    pages: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    page_ms: int = 0
    text_ms: int = 0

    @property
    def named(self) -> set[str]:
        """Return the digests that may be stored."""
        return self.pages | self.texts

    @property
    def needed(self) -> set[str]:
        """Return the digests that must be stored: the newest revision, and a supplied text
        that is not processed yet."""
        wanted: set[str | None] = set()
        if self.item.pending == "use_given":
            wanted.add(self.item.given_digest)
        fetched = self.item.fetched
        if fetched is not None:
            wanted.add(fetched.document_digest)
            wanted.add(fetched.page_digest)
            wanted.add(fetched.headers_digest)
        return {digest for digest in wanted if digest and digest in self.named}


def retained(item_id: str, history: Iterable[RecordedEvent]) -> Retained:
    """Fold an item's history into what is stored of it."""
    found = Retained(item=Item(id=item_id))
    for entry in history:
        event = entry.event
        found.item = items.fold(found.item, entry.position, event, entry.traceparent)
        match event:
            case e.ItemSubmitted() | e.ItemTextSupplied():
                _add_text(found, event.given_digest, entry.time_ms)
            case e.ItemFetched():
                _add_page(found, event.page_digest, entry.time_ms)
                _add_page(found, event.headers_digest, entry.time_ms)
                _add_text(found, event.document_digest, entry.time_ms)
            case e.ItemExpired(what="page"):
                _drop(found, found.pages)
            case e.ItemExpired() | e.ItemWithdrawn():
                _drop(found, found.named)
    return found


def expires(
    found: Retained, page_before_ms: float, text_before_ms: float
) -> Literal["page", "all"] | None:
    """Return the part whose retention period ended; only items without labels expire."""
    item = found.item
    if not item.ended or item.labels or item.state is State.WITHDRAWN:
        return None
    if found.texts and found.text_ms <= text_before_ms:
        return "all"
    if found.pages and found.page_ms <= page_before_ms:
        return "page"
    return None


def _add_page(found: Retained, digest: str | None, stored_ms: int) -> None:
    if digest:
        found.pages.add(digest)
        found.gone.discard(digest)
        found.page_ms = stored_ms


def _add_text(found: Retained, digest: str | None, stored_ms: int) -> None:
    if digest:
        found.texts.add(digest)
        found.gone.discard(digest)
        found.text_ms = stored_ms


def _drop(found: Retained, digests: set[str]) -> None:
    found.gone |= digests
    found.pages = found.pages - digests
    found.texts = found.texts - digests
