"""Queries that only pages need: facets, months, scores, the review queue. No HTTP here."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from incidentwire.labels import LABELS as LABELS
from services.api.incidents import list_query, newest
from services.api.incidents.newest import Newest
from services.api.items import queries as item_queries
from services.api.search.facets import leading, taken_apart

MAX_VALUES = 12  # of a facet
MAX_MONTHS = 24
MAX_COUNTED = 1_000  # incidents; a count takes no longer when the archive grows

# facet -> column of incidents; a JSON array counts for each of its values
FACETS: Mapping[str, str] = {
    "label": "i.labels",
    "status": "i.status",
    "source": "i.hosts",
    "language": "i.languages",
    "topic": "i.topics",
    "country": "i.countries",
    "entity": "i.names",
    "month": "i.first_report",  # a day
}
COLUMNS = tuple(FACETS.values())
ARRAYS = frozenset({"label", "source", "language", "topic", "country", "entity"})


@dataclass(frozen=True, kw_only=True)
class Facets:
    """The facets of a list: (value, number of incidents) by facet.

    The most frequent values are first, of months the newest. `months` is like the result
    of the function `months`.
    """

    counts: Mapping[str, Sequence[tuple[str, int]]]
    months: Sequence[tuple[str, str, int]]


def facets(db: sqlite3.Connection, asked: Mapping[str, Any], found: Newest) -> Facets:
    """Return the facets of a list; `found` are the incidents of the same filters, with COLUMNS.

    A facet counts what its own filter does not narrow, so that a choice can be changed;
    `label` is narrowed by itself, since an incident has several. Counted are the newest
    MAX_COUNTED matches.
    """
    columns = dict(zip(FACETS, found.columns, strict=True))
    months = Counter(zip(columns["month"], columns["label"], strict=True))
    for name in FACETS:
        own = {name, f"without_{name}"} & asked.keys()
        if own and name != "label":
            others = {key: value for key, value in asked.items() if key not in own}
            counted = newest.find(db, others, MAX_COUNTED, (FACETS[name],))
            (columns[name],) = counted.columns
    spellings = shown_entities(db)
    return Facets(
        counts={
            name: _most_frequent(
                Counter(values), name, spellings if name == "entity" else {}
            )
            for name, values in columns.items()
        },
        months=_by_label(
            (day[:7], labels, count) for (day, labels), count in months.items() if day
        ),
    )


def shown_entities(db: sqlite3.Connection) -> dict[str, str]:
    """Return the name that stands for each spelling (folded) of a declared entity."""
    return dict(db.execute("SELECT spelling, shown FROM entity_spellings"))


def _most_frequent(
    stored: Counter[str], name: str, shown: Mapping[str, str]
) -> list[tuple[str, int]]:
    """Return the most frequent values, of months the newest ones.

    `shown` joins the spellings of entities.
    """
    if name == "month":
        months: Counter[str] = Counter()
        for day, count in stored.items():
            months[day[:7]] += count
        months.pop("", None)
        return sorted(months.items(), reverse=True)[:MAX_VALUES]
    found = taken_apart(stored, shown) if name in ARRAYS else stored
    found.pop("", None)
    best = leading(found, MAX_VALUES)
    return sorted(best, key=lambda one: (one[1], one[0]), reverse=True)[:MAX_VALUES]


def counted(db: sqlite3.Connection) -> int:
    """Return the number of live incidents."""
    sql = "SELECT count(*) FROM incidents WHERE into_id IS NULL"
    return int(db.execute(sql).fetchone()[0])


def months(db: sqlite3.Connection) -> list[tuple[str, str, int]]:
    """Return (month, label, incidents whose first report is in it), oldest first."""
    rows = db.execute(
        "SELECT substr(first_report, 1, 7), labels, count(*) FROM incidents"
        " INDEXED BY incidents_months WHERE into_id IS NULL AND first_report <> ''"
        " AND status <> 'dismissed' GROUP BY 1, 2"
    )
    return _by_label(rows)


def _by_label(rows: Iterable[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    """Add up (month, labels as JSON, count) rows for each label, oldest month first."""
    counts: Counter[tuple[str, str]] = Counter()
    for month, labels, count in rows:
        for label in json.loads(labels):
            counts[month, label] += count
    return [(month, label, count) for (month, label), count in sorted(counts.items())]


def changed_since(db: sqlite3.Connection, position: int) -> int:
    """Return the number of live incidents that changed after this position."""
    sql = "SELECT count(*) FROM incidents WHERE into_id IS NULL AND position > ?"
    return int(db.execute(sql, (position,)).fetchone()[0])


UNDECIDED = item_queries.UNDECIDED
UNDECIDED_ITEMS = "items i INDEXED BY items_undecided"  # SQLite prefers that of states
# A rival came near, or the linker joined it with little to spare; nobody has looked yet.
# The second line is the condition of an index.
LINK_IN_DOUBT = """
 m.person = 0 AND NOT instr(coalesce(t.reviewed, ''), '"' || m.mention || '"')
 AND (m.review <> '[]' OR m.score < 0.25)
 AND (m.review <> '[]' OR EXISTS (SELECT 1 FROM memberships o
  WHERE o.incident = m.incident AND o.linked < m.linked))
"""


def undecided(
    db: sqlite3.Connection, before: int | None, limit: int
) -> list[dict[str, Any]]:
    """Return items to decide as JSON objects with their text, newest first.

    `n`, the place in the queue, continues it.
    """
    sql = (
        f"SELECT i.*, d.text AS stored_text FROM {UNDECIDED_ITEMS}"
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
    """Return mentions whose link is in doubt, with all incidents; ordered by key."""
    sql = (
        "SELECT m.item, m.mention, m.score, m.review, t.title, t.host, t.language,"
        " i.id AS incident, i.title AS incident_title, i.version AS incident_version,"
        " d.text AS stored_text"
        " FROM memberships m JOIN incidents i ON i.n = m.incident"
        " LEFT JOIN items t ON t.id = m.item LEFT JOIN documents d ON d.n = t.n"
        f" WHERE {LINK_IN_DOUBT} AND (m.item, m.mention) > (:item, :mention)"
        " ORDER BY m.item, m.mention LIMIT :limit"
    )
    values = {"item": after[0], "mention": after[1], "limit": limit}
    rows = list_query.dicts(db, sql, values)
    for row in rows:
        row["key"] = f"{row['item']}#{row['mention']}"
        row["others"] = named(db, json.loads(row["review"]))
        row["siblings"] = _titles(db, row["incident"], row["item"])
    return rows


def _titles(db: sqlite3.Connection, incident: str, but: str) -> list[str]:
    """Return titles of the other items of an incident, the first three."""
    rows = db.execute(
        "SELECT DISTINCT coalesce(t.title, t.id) FROM incidents i"
        " JOIN memberships m ON m.incident = i.n JOIN items t ON t.id = m.item"
        " WHERE i.id = ? AND t.id <> ? ORDER BY t.n LIMIT 3",
        (incident, but),
    )
    return [title for (title,) in rows]


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
    items = db.execute(f"SELECT count(*) FROM {UNDECIDED_ITEMS} WHERE {UNDECIDED}")
    links = db.execute(
        "SELECT count(*) FROM memberships m LEFT JOIN items t ON t.id = m.item"
        f" WHERE {LINK_IN_DOUBT}"
    )
    return {"items": int(items.fetchone()[0]), "links": int(links.fetchone()[0])}


def longest_queued_s(db: sqlite3.Connection, now: float) -> float:
    """Return for how many seconds the oldest queued item has been queued; 0 if none is."""
    sql = "SELECT updated_ms FROM items WHERE state = 'queued' ORDER BY n LIMIT 1"
    row = db.execute(sql).fetchone()
    return max(0.0, now - row[0] / 1000) if row else 0.0
