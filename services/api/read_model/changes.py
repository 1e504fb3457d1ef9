"""Event -> change of what the read model knows. Pure: a row is a function of its item's history alone, so batches may
fall anywhere and a rebuild gives the same rows. folding.py brings the changes into the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


def change(stored_type: str) -> Callable[[Changes, RecordedEvent], None]:
    """What an event of this type does. Raises UnknownType: a read model that skips what it cannot read is wrong."""
    name = stored_type.partition(":")[0]
    if name not in FOLDS:
        raise UnknownType(
            f"unknown event type {name!r}: update Incidentwire before building the read model further"
        )
    return FOLDS[name]


def on_item_event(changes: Changes, entry: RecordedEvent) -> None:
    before = changes.standings[entry.subject]
    after = advance(before, entry)
    changes.put(after)
    changes.happenings.take(entry)
    changes.erased |= before.document is not None and after.document is None


def on_incident_event(changes: Changes, entry: RecordedEvent) -> None:
    changes.happenings.take(entry)


def nothing(changes: Changes, entry: RecordedEvent) -> None:
    """Not in the read model."""


NOT_IN_THE_READ_MODEL_YET = (
    "feed.added",
    "feed.removed",
    "feed.failed",
    "subscription.created",
    "subscription.disabled",
    "subscription.removed",
)

FOLDS: Mapping[str, Callable[[Changes, RecordedEvent], None]] = {
    "item.submitted": on_item_event,
    "item.retry_requested": on_item_event,
    "item.text_supplied": on_item_event,
    "item.reclassify_requested": on_item_event,
    "item.fetched": on_item_event,
    "item.rejected": on_item_event,
    "item.deferred": on_item_event,
    "item.classified": on_item_event,
    "item.corrected": on_item_event,
    "item.aliased": on_item_event,
    "item.withdrawn": on_item_event,
    "item.expired": on_item_event,
    "incident.opened": on_incident_event,
    "incident.item_linked": on_incident_event,
    "incident.item_unlinked": on_incident_event,
    "incident.merged": on_incident_event,
    "incident.unmerged": on_incident_event,
    "incident.split": on_incident_event,
    "incident.status_changed": on_incident_event,
    "incident.renamed": on_incident_event,
    "incident.noted": on_incident_event,
    **dict.fromkeys(NOT_IN_THE_READ_MODEL_YET, nothing),
}
