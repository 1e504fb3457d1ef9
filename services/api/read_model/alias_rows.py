"""The rows of entity aliases: the declarations in force, and the spellings they join."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from incidentwire import events as e
from incidentwire.log.recorded_event import RecordedEvent
from services.api.text.aliases import Declaration, phrase, spellings


def write(db: sqlite3.Connection, entries: Sequence[RecordedEvent]) -> None:
    """Apply events about spellings in order, then flatten the declarations anew."""
    if not entries:
        return
    for entry in entries:
        _apply(db, entry)
    rows = db.execute("SELECT alias, name FROM entity_aliases ORDER BY position")
    found = spellings([Declaration(alias=alias, name=name) for alias, name in rows])
    db.execute("DELETE FROM entity_spellings")
    db.executemany(
        "INSERT INTO entity_spellings VALUES (?, ?, ?, ?)",
        [(one.spelling, one.entity, one.shown, phrase(one.spelling)) for one in found],
    )


def _apply(db: sqlite3.Connection, entry: RecordedEvent) -> None:
    event = entry.event
    if isinstance(event, e.EntityAliased):
        values = (entry.subject, event.alias, event.name, event.who, event.note)
        db.execute(
            "INSERT OR REPLACE INTO entity_aliases VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*values, entry.time_ms, entry.position),
        )
    else:
        db.execute("DELETE FROM entity_aliases WHERE id = ?", (entry.subject,))
