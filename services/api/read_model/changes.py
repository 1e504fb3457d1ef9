"""The changes that events make to what the read model knows. Pure.

A row is a function of its item's history alone: batches may be cut anywhere, and a rebuild
gives the same rows. projection.py writes the changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from incidentwire import events as e
from incidentwire import items
from incidentwire.evolve import evolve
from incidentwire.items import Item
from incidentwire.log.codec import UnknownType
from incidentwire.log.recorded_event import RecordedEvent
from services.api.read_model.incident_state import IncidentProjection


@dataclass(frozen=True, kw_only=True)
class ItemState:
    """An item and what the read model needs beside it.

    `document` is the digest of the stored document, None if none is stored. `n` and
    `position` are those of the item's first and last event.
    """

    item: Item
    n: int = 0
    position: int = 0
    submitted_ms: int = 0
    updated_ms: int = 0
    document: str | None = None


@dataclass
class Changes:
    """What a batch of events changes.

    `states` holds every item of the batch as it is so far, `changed` those that differ
    from the database; `aliases` and `topics` the events about spellings and topics, in
    order. `erased` tells that
    stored text was deleted, so that its traces in the index must be purged.
    """

    states: dict[str, ItemState]
    incidents: IncidentProjection
    changed: dict[str, ItemState] = field(default_factory=dict)
    aliases: list[RecordedEvent] = field(default_factory=list)
    topics: list[RecordedEvent] = field(default_factory=list)
    erased: bool = False

    def put(self, state: ItemState) -> None:
        """Record the new state of an item."""
        self.states[state.item.id] = state
        self.changed[state.item.id] = state


def apply_to_item(state: ItemState, entry: RecordedEvent) -> ItemState:
    """Return the state of an item after one more of its events."""
    event = entry.event
    document = state.document
    match event:
        case e.ItemFetched():
            document = event.document_digest
        case e.ItemWithdrawn() | e.ItemExpired(what="all"):
            document = None
    return evolve(
        state,
        item=items.fold(state.item, entry.position, event),
        n=state.n or entry.position,
        position=entry.position,
        submitted_ms=state.submitted_ms or entry.time_ms,
        updated_ms=entry.time_ms,
        document=document,
    )


def apply(changes: Changes, entry: RecordedEvent) -> None:
    """Apply one event. Raises UnknownType, because skipping an event would be wrong."""
    cls = e.TYPES.get(entry.name)
    if cls is None:
        raise UnknownType(f"unknown event type {entry.name!r}: update Incidentwire")
    if issubclass(cls, e.ItemEvent):
        before = changes.states[entry.subject]
        after = apply_to_item(before, entry)
        changes.put(after)
        changes.incidents.apply(entry)
        changes.erased |= before.document is not None and after.document is None
    elif issubclass(cls, e.IncidentEvent):
        changes.incidents.apply(entry)
    elif issubclass(cls, e.EntityEvent):
        changes.aliases.append(entry)
    elif issubclass(cls, e.TopicEvent):
        changes.topics.append(entry)
