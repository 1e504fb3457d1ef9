"""One incident in full: a page of its items with passages, names, sources. No HTTP."""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from services.api.incidents.list_query import as_json, dicts, then
from services.api.read_model.incident_rows import NAMED_ITEMS
from services.api.read_model.incident_state import IncidentProjection
from services.api.text.names import names

MAX_QUOTE = 2000  # code points of a mention; /v1/items/<id>/text has the whole text

ITEM = ("id", "title", "url", "host", "site", "published", "language", "state")


Cursor = tuple[str, int]  # day and n of the last item shown
Values = Mapping[str, Any]


def parse_cursor(text: str | None) -> Cursor | None:
    """Return the place after which a page of items begins; None for the first page."""
    if text is None:
        return None
    day, _, n = text.partition(".")
    return day, int(n)


def one(
    db: sqlite3.Connection,
    incident_id: str,
    after: Cursor | None,
    limit: int,
    past: IncidentProjection | None = None,
) -> dict[str, Any] | None:
    """Return the live incident that this id stands for, or None.

    It has `limit` items after the cursor, the earliest report first, and `next_items`
    for the following page. If the id was merged, `requested_id` names it.
    """
    root = _root_then(past, incident_id) if past else _resolve(db, incident_id)
    if root is None:
        return None
    tables, given = then(db, past, [root]) if past else ("", {})
    sql = f"{tables} SELECT * FROM incidents WHERE id = :id"
    row = dicts(db, sql, {**given, "id": root})[0]
    values = {**given, "n": row["n"]}
    listed = _listed(db, tables, values)
    shown, following = _page(listed, after, limit)
    position, log_id = db.execute("SELECT position, log_id FROM checkpoint").fetchone()
    found = as_json(row) | {
        "items": _items(db, _members(db, tables, values, shown)),
        "next_items": following,
        "sources": _sources(listed),
        "entities": _entities(db, listed),
        "merged": _merged_then(past, root) if past else _merged(db, root),
        "as_of": past.position if past else position,
        "log_id": log_id,
    }
    if root != incident_id:
        found["requested_id"] = incident_id
    return found


def titles(db: sqlite3.Connection, items: Sequence[str]) -> dict[str, str]:
    """Return the current titles of items that have one."""
    sql = "SELECT id, title FROM items WHERE title IS NOT NULL AND id IN (SELECT value FROM json_each(?))"
    return dict(db.execute(sql, (json.dumps(list(items)),)))


def _resolve(db: sqlite3.Connection, incident_id: str) -> str | None:
    while True:  # a fold never lets ids redirect in a circle
        found = db.execute(
            "SELECT into_id FROM incidents WHERE id = ?", (incident_id,)
        ).fetchone()
        if found is None or found[0] is None:
            return incident_id if found else None
        incident_id = found[0]


def _root_then(past: IncidentProjection, incident_id: str) -> str | None:
    if incident_id not in past.state.by_id:
        return None
    return past.state.resolve(incident_id)


def _merged(db: sqlite3.Connection, root: str) -> list[str]:
    sql = "SELECT id FROM incidents WHERE into_id = ? ORDER BY n"
    return [name for (name,) in db.execute(sql, (root,))]


def _merged_then(past: IncidentProjection, root: str) -> list[str]:
    return sorted(past.state.by_id[root].merged, key=lambda name: past.stamps[name].n)


class Listed(NamedTuple):
    """An item of an incident: what its place in the list and the sources need."""

    item: str
    day: str
    n: int
    source: str  # its host, the site of a text without URL
    site: str | None


# An item that is not in the read model yet comes first, with n 0 and no day.
_EACH_ITEM = """SELECT m.item, coalesce(t.day, '') AS day, coalesce(t.n, 0) AS n,
 coalesce(nullif(t.host, ''), t.site, ''), t.site
 FROM (SELECT DISTINCT item FROM memberships WHERE incident = :n) m
 LEFT JOIN items t ON t.id = m.item ORDER BY day, n, m.item"""


def _listed(db: sqlite3.Connection, tables: str, values: Values) -> list[Listed]:
    """Return the items of an incident, the earliest report first.

    All in one pass over their rows, which takes longest for the largest incidents.
    """
    return [Listed(*row) for row in db.execute(f"{tables} {_EACH_ITEM}", values)]


def _page(
    listed: Sequence[Listed], after: Cursor | None, limit: int
) -> tuple[list[str], str | None]:
    """Return the ids of a page of items, and the cursor of the next page."""
    begin = 0
    if after is not None:
        begin = bisect_right(listed, after, key=lambda one: (one.day, one.n))
    shown = listed[begin : begin + limit]
    has_more = len(listed) > begin + limit
    following = f"{shown[-1].day}.{shown[-1].n}" if has_more else None
    return [one.item for one in shown], following


def _members(
    db: sqlite3.Connection, tables: str, values: Values, shown: Sequence[str]
) -> list[dict[str, Any]]:
    """Return a row per mention of these items, with the item's columns, in order."""
    sql = (
        f"{tables} SELECT t.*, m.item, m.mention, m.score, m.person, m.linked,"
        " m.review AS link_review, m.labels AS mention_labels"
        " FROM memberships m LEFT JOIN items t ON t.id = m.item"
        " WHERE m.incident = :n AND m.item IN (SELECT value FROM json_each(:shown))"
        " ORDER BY t.day, t.n, m.item, length(m.mention), m.mention"
    )
    return dicts(db, sql, {**values, "shown": json.dumps(list(shown))})


def _sources(listed: Sequence[Listed]) -> list[dict[str, Any]]:
    """Return the sources with their numbers of items, the most frequent first."""
    counts = Counter(one.source for one in listed if one.source)
    sites = {one.source: one.site for one in listed}
    ordered = sorted(counts.items(), key=lambda found: (-found[1], found[0]))
    return [
        {"name": name, "site": sites[name], "items": count} for name, count in ordered
    ]


def _entities(db: sqlite3.Connection, listed: Sequence[Listed]) -> list[dict[str, Any]]:
    """Return the names in the titles of the first NAMED_ITEMS items, as facets do."""
    numbers = [one.n for one in listed[:NAMED_ITEMS]]
    sql = (
        "SELECT title FROM items WHERE title IS NOT NULL"
        " AND n IN (SELECT value FROM json_each(?))"
    )
    titles = [title for (title,) in db.execute(sql, (json.dumps(numbers),)) if title]
    return [{"name": name, "items": count} for name, count in names(titles)]


def _items(
    db: sqlite3.Connection, members: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    by_item: dict[str, list[dict[str, Any]]] = {}
    for row in members:
        by_item.setdefault(row["item"], []).append(row)
    sql = (
        "SELECT d.n, d.text FROM documents d JOIN items t ON t.n = d.n"
        " WHERE t.id IN (SELECT value FROM json_each(?))"
    )
    texts = dict(db.execute(sql, (json.dumps(list(by_item)),)))
    return [_item(rows, texts.get(rows[0]["n"])) for rows in by_item.values()]


def _item(rows: Sequence[Mapping[str, Any]], text: str | None) -> dict[str, Any]:
    row = rows[0]
    is_quotable = text is not None and row["evidence_digest"] == row["text_digest"]
    return {
        **{name: row[name] for name in ITEM},
        "id": row["item"],
        "report": row["day"],
        "mentions": [_mention(row, text if is_quotable else None) for row in rows],
        "links": {
            "self": f"/v1/items/{row['item']}",
            "text": f"/v1/items/{row['item']}/text",
        },
    }


def _mention(row: Mapping[str, Any], text: str | None) -> dict[str, Any]:
    """Return the mention's place in its item, its quote and its evidence."""
    spans = json.loads(row["mentions"] or "{}")
    evidence = json.loads(row["evidence"] or "{}")
    start, end = spans.get(row["mention"], (None, None))
    labels = json.loads(row["mention_labels"])
    within = {
        label: [
            span
            for span in evidence.get(label, ())
            if start is None or (span[0] < end and span[1] > start)
        ]
        for label in labels
    }
    quote = text[start:end] if text is not None and start is not None else None
    return {
        "key": f"{row['item']}#{row['mention']}",
        "id": row["mention"],
        "start": start,
        "end": end,
        "quote": quote[:MAX_QUOTE] if quote is not None else None,
        "is_cut": quote is not None and len(quote) > MAX_QUOTE,
        "labels": labels,
        "score": row["score"],
        "review": json.loads(row["link_review"]),
        "by": "person" if row["person"] else "linker",
        "linked": row["linked"],
        "evidence": [
            {
                "label": label,
                "start": a,
                "end": b,
                "quote": text[a:b] if text is not None else None,
            }
            for label, found in within.items()
            for a, b in found
        ],
    }
