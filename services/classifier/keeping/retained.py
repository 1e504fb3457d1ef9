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
    """TermHasher by what is to become of them: `pages` (with their headers) and `texts` (documents) stay, `gone` were
    withdrawn or have expired. `page_ms` and `text_ms` say when the newest of them was kept."""

    item: Item
    pages: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    page_ms: int = 0
    text_ms: int = 0

    @property
    def named(self) -> set[str]:
        """What may be there."""
        return self.pages | self.texts

    @property
    def needed(self) -> set[str]:
        """What must be there: the newest revision, and a text that waits to be read."""
        fetched = self.item.fetched
        wanted = {self.item.given_digest} if self.item.pending == "use_given" else set()
        if fetched is not None:
            wanted |= {
                fetched.document_digest,
                fetched.page_digest,
                fetched.headers_digest,
            }
        return {
            digest for digest in wanted if digest is not None and digest in self.named
        }


def kept(item_id: str, history: Iterable[RecordedEvent]) -> Retained:
    """Fold an item's history into what is kept of it."""
    found = Retained(item=Item(id=item_id))
    for entry in history:
        event = entry.event
        found.item = items.fold(found.item, entry.position, event, entry.traceparent)
        match event:
            case e.ItemSubmitted() | e.ItemTextSupplied():
                _add(found, entry.time_ms, texts=[event.given_digest])
            case e.ItemFetched():
                _add(
                    found,
                    entry.time_ms,
                    pages=[event.page_digest, event.headers_digest],
                )
                _add(found, entry.time_ms, texts=[event.document_digest])
            case e.ItemExpired(what="page"):
                _drop(found, found.pages)
            case e.ItemExpired() | e.ItemWithdrawn():
                _drop(found, found.named)
    return found


def expires(
    found: Retained, page_before_ms: float, text_before_ms: float
) -> Literal["page", "all"] | None:
    """What of the item has outlived its time: only of items that came to an end without a label."""
    if not found.item.ended or found.item.labels or found.item.state is State.WITHDRAWN:
        return None
    if found.texts and found.text_ms <= text_before_ms:
        return "all"
    return "page" if found.pages and found.page_ms <= page_before_ms else None


def _add(
    found: Retained,
    at_ms: int,
    pages: Iterable[str | None] = (),
    texts: Iterable[str | None] = (),
) -> None:
    new_pages = {digest for digest in pages if digest}
    new_texts = {digest for digest in texts if digest}
    found.pages |= new_pages
    found.texts |= new_texts
    found.gone -= new_pages | new_texts
    found.page_ms = at_ms if new_pages else found.page_ms
    found.text_ms = at_ms if new_texts else found.text_ms


def _drop(found: Retained, digests: set[str]) -> None:
    found.gone |= digests
    found.pages = found.pages - digests
    found.texts = found.texts - digests
