"""Receipts: what a submitter can see of an item, folded from its own events. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from incidentwire.items import Item, State
from incidentwire.log import cloudevents
from incidentwire.log.recorded_event import RecordedEvent


def receipt_of(
    item: Item, history: Sequence[RecordedEvent], stage: str | None = None
) -> dict[str, Any]:
    """Return the receipt in the form of ReceiptSchema.

    `stage` tells how far an item in flight has come (queue.stage).
    """
    return {
        "id": item.id,
        "state": str(item.state),
        "stage": stage,
        "url": item.url,
        "position": history[-1].position,
        "reason": item.reason,
        "detail": item.detail or None,
        "retryable": item.retryable or item.state is State.WAITING,
        "next_try": item.next_try,
        "attempt": item.attempt,
        "labels": list(item.labels),
        "alias_of": item.alias_of,
        "history": [_event_row(entry) for entry in history],
    }


def _event_row(entry: RecordedEvent) -> dict[str, Any]:
    row: dict[str, Any] = {
        "position": entry.position,
        "type": entry.type,
        "time": cloudevents.rfc3339(entry.time_ms),
    }
    for name in ("reason", "detail"):
        if value := getattr(entry.event, name, ""):
            row[name] = value
    return row
