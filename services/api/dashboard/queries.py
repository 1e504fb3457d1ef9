"""Queries that only pages need: facets, months, scores, the review queue. No HTTP here."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from incidentwire.labels import LABELS as LABELS
from services.api.incidents import list_query
from services.api.items import queries as item_queries
from services.api.search import functions

MAX_VALUES = 12  # of a facet
MAX_MONTHS = 24

_MEMBERS = " JOIN memberships m ON m.incident = i.n JOIN items t ON t.id = m.item"
# facet -> tables beside `incidents i`, value
FACETS: Mapping[str, tuple[str, str]] = {
    "label": (", json_each(i.labels) j", "j.value"),
    "status": ("", "i.status"),
    "source": (_MEMBERS, "t.host"),
    "language": (_MEMBERS, "t.language"),
    "month": ("", "substr(i.first_report, 1, 7)"),
}


def facets(
    db: sqlite3.Connection, asked: Mapping[str, Any]
) -> dict[str, list[tuple[str, int]]]:
    """Return (value, number of incidents) by facet, the most frequent first.

    A facet counts what its own filter does not narrow, so that a choice can be changed;
    `label` is narrowed by itself, since an incident has several.
    """
    functions.register(db)
    found = {}
    for name, (tables, value) in FACETS.items():
        own = () if name == "label" else (name, f"without_{name}")
        others = {key: wanted for key, wanted in asked.items() if key not in own}
        where, values = list_query.where_of(others)
        rows = db.execute(
            f"SELECT {value} AS v, count(DISTINCT i.n) AS c FROM incidents i{tables}"
            f" WHERE {where} AND coalesce({value}, '') <> ''"
            f" GROUP BY v ORDER BY c DESC, v DESC LIMIT {MAX_VALUES}",
            values,
        )
        found[name] = [(row[0], row[1]) for row in rows]
    return found


def counted(db: sqlite3.Connection, asked: Mapping[str, Any]) -> int:
    """Return the number of incidents that satisfy every filter."""
    functions.register(db)
    where, values = list_query.where_of(asked)
    row = db.execute(f"SELECT count(*) FROM incidents i WHERE {where}", values)
    return int(row.fetchone()[0])


def months(db: sqlite3.Connection) -> list[tuple[str, str, int]]:
    """Return (month, label, incidents whose first report is in it), oldest first."""
    rows = db.execute(
        "SELECT substr(i.first_report, 1, 7) AS month, j.value, count(*)"
        " FROM incidents i, json_each(i.labels) j"
        " WHERE i.into_id IS NULL AND i.first_report <> '' AND i.status <> 'dismissed'"
        " GROUP BY month, j.value ORDER BY month"
    )
    return list(rows)


def changed_since(db: sqlite3.Connection, position: int) -> int:
    """Return the number of live incidents that changed after this position."""
    sql = "SELECT count(*) FROM incidents WHERE into_id IS NULL AND position > ?"
    return int(db.execute(sql, (position,)).fetchone()[0])


UNDECIDED = "i.review <> '[]' AND i.corrected_by IS NULL AND i.state = 'classified'"


def undecided(
    db: sqlite3.Connection, before: int | None, limit: int
) -> list[dict[str, Any]]:
    """Return items to decide as JSON objects with their text, newest first.

    `n`, the place in the queue, continues it.
    """
    sql = (
        "SELECT i.*, d.text AS stored_text FROM items i"
        f" LEFT JOIN documents d ON d.n = i.n WHERE {UNDECIDED} AND i.n < ?"
        " ORDER BY i.n DESC LIMIT ?"
    )
    bound = (before or 2**62, limit)
    cursor = db.execute(sql, bound)
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    return [
        item_queries.as_json(row, row["stored_text"])
        | {"text": row["stored_text"], "n": row["n"]}
        for row in rows
    ]


def close_links(
    db: sqlite3.Connection, after: tuple[str, str], limit: int
) -> list[dict[str, Any]]:
    """Return mentions whose link was close, with both incidents; ordered by key."""
    sql = (
        "SELECT m.item, m.mention, m.score, m.review, t.title, t.host, t.language,"
        " i.id AS incident, i.title AS incident_title, i.version AS incident_version"
        " FROM memberships m JOIN incidents i ON i.n = m.incident"
        " LEFT JOIN items t ON t.id = m.item"
        " WHERE m.review <> '[]' AND (m.item, m.mention) > (:item, :mention)"
        " ORDER BY m.item, m.mention LIMIT :limit"
    )
    values = {"item": after[0], "mention": after[1], "limit": limit}
    rows = list_query.dicts(db, sql, values)
    for row in rows:
        row["key"] = f"{row['item']}#{row['mention']}"
        row["others"] = named(db, json.loads(row["review"]))
    return rows


def named(db: sqlite3.Connection, incidents: Sequence[str]) -> list[dict[str, Any]]:
    """Return incidents by id, in the order given; ids that redirect are left out."""
    sql = (
        "SELECT * FROM incidents WHERE into_id IS NULL"
        " AND id IN (SELECT value FROM json_each(:ids))"
    )
    rows = list_query.dicts(db, sql, {"ids": json.dumps(list(incidents))})
    found = {row["id"]: list_query.as_json(row) for row in rows}
    return [found[name] for name in incidents if name in found]


def item_facts(
    db: sqlite3.Connection, items: Sequence[str]
) -> dict[str, tuple[int, dict[str, float]]]:
    """Return (version, scores by label) of items by id."""
    rows = db.execute(
        "SELECT id, version, scores FROM items WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(items)),),
    )
    return {name: (version, json.loads(scores)) for name, version, scores in rows}


def incidents_of(db: sqlite3.Connection, item: str) -> list[dict[str, Any]]:
    """Return the live incidents that an item's mentions are in."""
    sql = (
        "SELECT i.* FROM incidents i WHERE i.n IN"
        " (SELECT incident FROM memberships WHERE item = :item) ORDER BY i.n"
    )
    rows = list_query.dicts(db, sql, {"item": item})
    return [list_query.as_json(row) for row in rows]


def waiting(db: sqlite3.Connection) -> dict[str, int]:
    """Return how many items and how many close links wait for a decision."""
    items = db.execute(f"SELECT count(*) FROM items i WHERE {UNDECIDED}")
    links = db.execute("SELECT count(*) FROM memberships m WHERE m.review <> '[]'")
    return {"items": int(items.fetchone()[0]), "links": int(links.fetchone()[0])}
