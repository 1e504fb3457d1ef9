"""One label for all results of a query: added, never taken away, and undone as a whole.

Each item gets a correction of its own, with the labels that it has and the new one. All
carry the mark of the bulk decision in their note, which is how the undo finds them.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from incidentwire import items
from incidentwire.events import ItemCorrected
from incidentwire.labels import LABELS, Label
from incidentwire.log.event_log import EventLog, VersionConflict, Withdrawn
from services.api.filters import functions, sql
from services.api.items import queries
from services.api.topics.queries import of_items

MOST = 500  # items of one decision: each is an event
SHOWN = 20  # examples before the decision
MARK = "bulk "  # a note begins with it, then the decision's id


@dataclass(frozen=True, kw_only=True)
class BulkPreview:
    """What a decision would change: how many items, and the newest of them."""

    total: int
    examples: list[dict[str, Any]]


def preview(db: sqlite3.Connection, query: str, label: str) -> BulkPreview:
    """Return the items that match and lack the label. Raises FilterError."""
    where, values = _without(db, query, label)
    counted = db.execute(f"SELECT count(*) FROM items i WHERE {where}", values)
    rows = queries.dicts(
        db,
        f"SELECT i.* FROM items i WHERE {where} ORDER BY i.n DESC LIMIT {SHOWN}",
        values,
    )
    topics = of_items(db, [row["n"] for row in rows])
    examples = [
        {**queries.as_json(row, None), "topics": topics.get(row["n"], [])}
        for row in rows
    ]
    return BulkPreview(total=int(counted.fetchone()[0]), examples=examples)


def found(db: sqlite3.Connection, query: str, label: str) -> list[str]:
    """Return the ids of at most MOST items that match and lack the label."""
    where, values = _without(db, query, label)
    rows = db.execute(
        f"SELECT i.id FROM items i WHERE {where} ORDER BY i.n LIMIT {MOST}", values
    )
    return [name for (name,) in rows]


def of_decision(db: sqlite3.Connection, decision: str) -> list[str]:
    """Return the ids of the items that still have the labels of this decision."""
    rows = db.execute(
        "SELECT id FROM items WHERE corrected_by IS NOT NULL AND note = ?",
        (MARK + decision,),
    )
    return [name for (name,) in rows]


def add(log: EventLog, names: Sequence[str], label: Label, who: str) -> tuple[str, int]:
    """Add the label to each item; return the decision's id and how many changed.

    An item that changes meanwhile, or has the label by now, is left as it is.
    """
    decision = secrets.token_hex(6)
    done = 0
    for name, history in zip(names, log.histories(names), strict=True):
        item = items.fold_all(name, history)
        if item.state is not items.State.CLASSIFIED or label in item.labels:
            continue
        wanted = (*item.labels, label)
        event = ItemCorrected(
            who=who,
            labels=cast("tuple[Label, ...]", tuple(x for x in LABELS if x in wanted)),
            labels_before=item.labels,
            note=MARK + decision,
        )
        done += _append(log, item, event)
    return decision, done


def undo(log: EventLog, names: Sequence[str], decision: str, who: str) -> int:
    """Restore what each item was before the decision; return how many were restored.

    An item that somebody corrected since is left as it is.
    """
    done = 0
    for name, history in zip(names, log.histories(names), strict=True):
        item = items.fold_all(name, history)
        if item.corrected is None or item.corrected.note != MARK + decision:
            continue
        places = [n for n, entry in enumerate(history) if entry.event == item.corrected]
        before = items.fold_all(name, history[: places[-1]]).corrected
        event = ItemCorrected(
            who=who,
            labels=before.labels if before else item.model_labels,
            labels_before=item.labels,
            withdrawn=before is None,
            note=before.note if before else "",
        )
        done += _append(log, item, event)
    return done


def _append(log: EventLog, item: items.Item, event: ItemCorrected) -> int:
    """Append the correction; return 1, or 0 if the item changed meanwhile."""
    try:
        log.append(item.id, event, expected_versions={item.id: item.version})
    except (VersionConflict, Withdrawn):
        return 0
    return 1


def _without(db: sqlite3.Connection, query: str, label: str) -> tuple[str, list[Any]]:
    functions.register(db)
    condition, values = sql.item(query)
    lacks = "i.n NOT IN (SELECT n FROM item_labels WHERE label = ?)"
    where = f"({condition}) AND i.state = 'classified' AND {lacks}"
    return where, [*values, label]
