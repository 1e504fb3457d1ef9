"""An item as its own events make it: never older than the log."""

from __future__ import annotations

from collections.abc import Sequence

from incidentwire import items
from incidentwire.items import Item
from incidentwire.log.event_log import EventLog
from incidentwire.log.recorded_event import RecordedEvent
from services.api.errors import UnknownItem

PREFIX = "i_"  # ids of incidents and feeds begin in other ways


def item_of(log: EventLog, item_id: str) -> tuple[Item, Sequence[RecordedEvent]]:
    """Return the item and its history, oldest first. Raises UnknownItem."""
    history = log.history(item_id) if item_id.startswith(PREFIX) else []
    if not history:
        raise UnknownItem
    return items.fold_all(item_id, history), history
