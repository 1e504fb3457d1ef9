"""How many hits of a search have each value of each facet."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from services.api.text.folding import fold

FACET_VALUES = 20  # the most frequent of each facet
Facets = dict[str, list[dict[str, Any]]]  # facet -> value and count

# facet -> column of the table; a JSON array counts for each of its values
ITEM_COLUMNS: Mapping[str, str] = {
    "state": "i.state",
    "lang": "i.language",
    "source": "i.host",
    "month": "substr(i.day, 1, 7)",
}
INCIDENT_COLUMNS: Mapping[str, str] = {
    "label": "i.labels",
    "status": "i.status",
    "country": "i.countries",
    "topic": "i.topics",
    "entity": "i.names",
    "lang": "i.languages",
    "source": "i.hosts",
    "month": "substr(i.last_report, 1, 7)",
}
ARRAYS = frozenset({"label", "country", "topic", "entity", "lang", "source"})
# facet -> table beside `items`, its column
ITEM_TABLES: Mapping[str, tuple[str, str]] = {
    "label": ("item_labels", "label"),
    "country": ("item_countries", "country"),
    "topic": ("item_topics", "topic"),
    "entity": ("item_names", "name"),
}
_AMONG = "n IN (SELECT value FROM json_each(:found))"


def of_items(db: sqlite3.Connection, found: Sequence[int]) -> Facets:
    """Return the most frequent values of each facet among these items, with counts."""
    counts = _counted(db, "items i INDEXED BY items_facets", ITEM_COLUMNS, found)
    given = {"found": json.dumps(found)}
    for name, (table, column) in ITEM_TABLES.items():
        rows = db.execute(f"SELECT {column} FROM {table} WHERE {_AMONG}", given)
        counts[name] = Counter(value for (value,) in rows)
    return _most_frequent(db, counts)


def of_incidents(db: sqlite3.Connection, found: Sequence[int]) -> Facets:
    """Return the most frequent values of each facet among these incidents."""
    counts = _counted(db, "incidents i", INCIDENT_COLUMNS, found)
    return _most_frequent(
        db,
        {
            name: taken_apart(stored) if name in ARRAYS else stored
            for name, stored in counts.items()
        },
    )


def statuses(db: sqlite3.Connection, found: Sequence[int]) -> list[dict[str, Any]]:
    """Return how many of these incidents have each status."""
    counts = _counted(
        db, "incidents i INDEXED BY incidents_status", {"status": "i.status"}, found
    )
    return _most_frequent(db, counts)["status"]


def _counted(
    db: sqlite3.Connection,
    table: str,
    columns: Mapping[str, str],
    found: Sequence[int],
) -> dict[str, Counter[str]]:
    """Count the values of columns, which are read in one pass over the rows."""
    picked = ", ".join(columns.values())
    given = {"found": json.dumps(found)}
    rows = db.execute(f"SELECT {picked} FROM {table} WHERE i.{_AMONG}", given)
    stored = [Counter(column) for column in zip(*rows, strict=True)]
    stored = stored or [Counter() for _ in columns]
    return dict(zip(columns, stored, strict=True))


def taken_apart(
    stored: Mapping[str, int], shown: Mapping[str, str] | None = None
) -> Counter[str]:
    """Count the values of JSON arrays; `shown` joins the spellings of entities."""
    arrays = json.loads(f"[{','.join(stored)}]")  # one call takes a third of the time
    if shown:
        arrays = [
            {shown.get(fold(value), value) for value in found} for found in arrays
        ]
    # most arrays occur once: those are counted without a loop of ours
    numbers = list(stored.values())
    counts = Counter(
        chain.from_iterable(
            found for found, count in zip(arrays, numbers, strict=True) if count == 1
        )
    )
    for found, count in zip(arrays, numbers, strict=True):
        if count > 1:
            for value in found:
                counts[value] += count
    return counts


def _most_frequent(
    db: sqlite3.Connection, counts: Mapping[str, Counter[str]]
) -> Facets:
    spellings = dict(db.execute("SELECT spelling, shown FROM entity_spellings"))
    shown: Facets = {}
    for name, found in counts.items():
        joined = name == "entity" and spellings
        values = joined_spellings(found, spellings) if joined else found
        named = [one for one in leading(values, FACET_VALUES + 1) if one[0]]
        ordered = sorted(named, key=lambda one: (-one[1], one[0]))
        best = ordered[:FACET_VALUES]
        shown[name] = [{"value": value, "count": count} for value, count in best]
    return shown


def leading(counts: Mapping[str, int], most: int) -> list[tuple[str, int]]:
    """Return the values, with counts, of which `most` are the most frequent.

    Few are left to be sorted: numbers alone are sorted ten times as fast.
    """
    least = sorted(counts.values())[-most:][:1]
    return [(value, count) for value, count in counts.items() if [count] >= least]


def joined_spellings(
    counts: Mapping[str, int], shown: Mapping[str, str]
) -> Counter[str]:
    """Return the counts with the spellings of one entity added up under its name."""
    joined: Counter[str] = Counter()
    for value, count in counts.items():
        joined[shown.get(fold(value), value)] += count
    return joined
