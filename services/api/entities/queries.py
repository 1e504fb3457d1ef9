"""Queries of entity aliases in the read model. No HTTP here."""

from __future__ import annotations

import sqlite3
from typing import Any

from incidentwire.log.cloudevents import rfc3339
from services.api.text.aliases import Spelling
from services.api.text.folding import fold


def declared(db: sqlite3.Connection) -> dict[str, Any]:
    """Return the aliases in force, newest first, with position and log of the answer.

    `entity` is the name under which all spellings are shown.
    """
    shown = {one.spelling: one.shown for one in spellings(db)}
    rows = db.execute(
        "SELECT id, alias, name, who, note, declared_ms, position FROM entity_aliases"
        " ORDER BY position DESC"
    )
    found = [
        {
            "id": name_id,
            "alias": alias,
            "name": name,
            "entity": shown.get(fold(name), name),
            "who": who,
            "note": note or None,
            "declared_at": rfc3339(declared_ms),
            "position": position,
        }
        for name_id, alias, name, who, note, declared_ms, position in rows
    ]
    reached, log_id = db.execute("SELECT position, log_id FROM checkpoint").fetchone()
    return {"aliases": found, "position": reached, "log_id": log_id}


def spellings(db: sqlite3.Connection) -> list[Spelling]:
    """Return all spellings of declared entities."""
    rows = db.execute("SELECT spelling, entity, shown FROM entity_spellings")
    return [
        Spelling(spelling=spelling, entity=entity, shown=shown)
        for spelling, entity, shown in rows
    ]
