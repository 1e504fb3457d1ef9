"""Queries of topics in the read model. No HTTP here."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from incidentwire.log.cloudevents import rfc3339


def defined(db: sqlite3.Connection) -> dict[str, Any]:
    """Return the topics in force by name, with position and log of the answer.

    `items` and `incidents` count what is on the topic now.
    """
    rows = db.execute(
        "SELECT id, name, filter, colour, description, who, defined_ms, position,"
        " (SELECT count(*) FROM item_topics t WHERE t.topic = topics.name),"
        " (SELECT count(*) FROM incidents i WHERE i.into_id IS NULL"
        " AND instr(i.topics, json_quote(topics.name))) FROM topics ORDER BY folded"
    )
    found = [
        {
            "id": topic_id,
            "name": name,
            "filter": text,
            "colour": colour,
            "description": description,
            "who": who,
            "defined_at": rfc3339(defined_ms),
            "position": position,
            "items": items,
            "incidents": incidents,
        }
        for (
            topic_id,
            name,
            text,
            colour,
            description,
            who,
            defined_ms,
            position,
            items,
            incidents,
        ) in rows
    ]
    reached, log_id = db.execute("SELECT position, log_id FROM checkpoint").fetchone()
    return {"topics": found, "position": reached, "log_id": log_id}


def colours(db: sqlite3.Connection) -> dict[str, str]:
    """Return the colour of each topic by name."""
    return dict(db.execute("SELECT name, colour FROM topics"))


def of_items(db: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, list[str]]:
    """Return the names of the topics of items, by the items' numbers."""
    rows = db.execute(
        "SELECT n, topic FROM item_topics WHERE n IN (SELECT value FROM json_each(?))"
        " ORDER BY n, topic",
        (json.dumps(list(numbers)),),
    )
    found: dict[int, list[str]] = {}
    for n, topic in rows:
        found.setdefault(n, []).append(topic)
    return found
