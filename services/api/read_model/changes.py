"""Event -> change of what the read model knows. Pure: a row is a function of its item's history alone, so batches may
fall anywhere and a rebuild gives the same rows. folding.py brings the changes into the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from incidentwire import events as e
from incidentwire import items
from incidentwire.items import Item
from incidentwire.log.codec import UnknownType
from incidentwire.log.recorded_event import Recorded
from services.api.read_model.incident_state import Happenings


@dataclass(frozen=True, kw_only=True)
class Standing:
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

    standings: dict[str, Standing]
    happenings: Happenings
    changed: dict[str, Standing] = field(default_factory=dict)
    erased: bool = False

    def put(self, standing: Standing) -> None:
        self.changed[standing.item.id] = self.standings[standing.item.id] = standing


def advance(standing: Standing, entry: Recorded) -> Standing:
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


def change(stored_type: str) -> Callable[[Changes, Recorded], None]:
    """What an event of this type does. Raises UnknownType: a read model that skips what it cannot read is wrong."""
    name = stored_type.partition(":")[0]
    if name not in FOLDS:
        raise UnknownType(f"unknown event type {name!r}: update Incidentwire before building the read model further")
    return FOLDS[name]


def item_went_on(changes: Changes, entry: Recorded) -> None:
    before = changes.standings[entry.subject]
    after = advance(before, entry)
    changes.put(after)
    changes.happenings.take(entry)
    changes.erased |= before.document is not None and after.document is None


def incident_went_on(changes: Changes, entry: Recorded) -> None:
    changes.happenings.take(entry)


def nothing(changes: Changes, entry: Recorded) -> None:
    """Not in the read model."""


NOT_IN_THE_READ_MODEL_YET = (
    "feed.added",
    "feed.removed",
    "feed.failed",
    "subscription.created",
    "subscription.disabled",
    "subscription.removed",
)

FOLDS: Mapping[str, Callable[[Changes, Recorded], None]] = {
    "item.submitted": item_went_on,
    "item.retry_requested": item_went_on,
    "item.text_supplied": item_went_on,
    "item.reclassify_requested": item_went_on,
    "item.fetched": item_went_on,
    "item.rejected": item_went_on,
    "item.deferred": item_went_on,
    "item.classified": item_went_on,
    "item.corrected": item_went_on,
    "item.aliased": item_went_on,
    "item.withdrawn": item_went_on,
    "item.expired": item_went_on,
    "incident.opened": incident_went_on,
    "incident.item_linked": incident_went_on,
    "incident.item_unlinked": incident_went_on,
    "incident.merged": incident_went_on,
    "incident.unmerged": incident_went_on,
    "incident.split": incident_went_on,
    "incident.status_changed": incident_went_on,
    "incident.renamed": incident_went_on,
    "incident.noted": incident_went_on,
    **dict.fromkeys(NOT_IN_THE_READ_MODEL_YET, nothing),
}
