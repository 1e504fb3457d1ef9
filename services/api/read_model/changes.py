"""Event -> change of what the read model knows. Pure: a row is a function of its item's history alone, so batches may
fall anywhere and a rebuild gives the same rows. folding.py brings the changes into the database."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from incidentwire import events as e
from incidentwire import items
from incidentwire.items import Item
from incidentwire.log.codec import UnknownType
from incidentwire.log.recorded_event import RecordedEvent
from services.api.read_model.incident_state import IncidentProjection


@dataclass(frozen=True, kw_only=True)
class ItemState:
    """An item and what the read model needs beside its state. `document` is the digest of the kept words, None where
    none are kept (yet, or any more); `n` and `position` are of its first and last event."""

    item: Item
    n: int = 0
    position: int = 0
    submitted_ms: int = 0
    updated_ms: int = 0
    document: str | None = None


@dataclass
class Changes:
    """What a batch of events changes. `standings` holds every item of the batch as it was before it, `happenings` all
    incidents; `erased` says that words were deleted for good, so that their traces in the index have to go too."""

    standings: dict[str, ItemState]
    happenings: IncidentProjection
    changed: dict[str, ItemState] = field(default_factory=dict)
    erased: bool = False

    def put(self, standing: ItemState) -> None:
        self.changed[standing.item.id] = self.standings[standing.item.id] = standing


def advance(standing: ItemState, entry: RecordedEvent) -> ItemState:
    """The standing after one more event of its item."""
    event = entry.event
    document = standing.document
    match event:
        case e.ItemFetched():
            document = event.document_digest
        case e.ItemWithdrawn():
            document = None
        case e.ItemExpired(what="all"):
            document = None
    return replace(
        standing,
        item=items.fold(standing.item, entry.position, event),
        n=standing.n or entry.position,
        position=entry.position,
        submitted_ms=standing.submitted_ms or entry.time_ms,
        updated_ms=entry.time_ms,
        document=document,
    )


def apply(changes: Changes, entry: RecordedEvent) -> None:
    """Apply one event. Raises UnknownType, because skipping an event would be wrong."""
    cls = e.TYPES.get(entry.name)
    if cls is None:
        raise UnknownType(f"unknown event type {entry.name!r}: update Incidentwire")
    if issubclass(cls, e.ItemEvent):
        _apply_item_event(changes, entry)
    elif issubclass(cls, e.IncidentEvent):
        changes.happenings.take(entry)


def _apply_item_event(changes: Changes, entry: RecordedEvent) -> None:
    before = changes.standings[entry.subject]
    after = advance(before, entry)
    changes.put(after)
    changes.happenings.take(entry)
    changes.erased |= before.document is not None and after.document is None
