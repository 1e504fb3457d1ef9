"""One incident in full: its items with the very passages, names, sources. SQL and shapes, nothing of HTTP."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from services.api.incidents.entities import names
from services.api.incidents.list_query import as_json, dicts, then
from services.api.read_model.incident_state import IncidentProjection

MAX_QUOTE = (
    2000  # code points of a mention; the whole text is under /v1/items/<id>/text
)
MAX_NAMES_FROM = 500  # titles

ITEM = ("id", "title", "url", "host", "site", "published", "language", "state")


def one(
    db: sqlite3.Connection,
    incident_id: str,
    first: int,
    limit: int,
    past: IncidentProjection | None = None,
) -> dict[str, Any] | None:
    """The live incident that stands for this id, with `limit` of its items from `first` on, the earliest report first;
    None where there is none (yet). Of an id that was merged, `requested_id` and `redirected_from` name it."""
    if past is not None:
        root = (
            past.state.resolve(incident_id) if incident_id in past.state.by_id else None
        )
    else:
        root = _resolve(db, incident_id)
    if root is None:
        return None
    tables, given = then(db, past, [root]) if past else ("", {})
    sql = f"{tables} SELECT * FROM incidents WHERE id = :id"
    row = dicts(db, sql, {**given, "id": root})[0]
    members = _members(db, tables, {**given, "n": row["n"]})
    position, log_id = db.execute("SELECT position, log_id FROM checkpoint").fetchone()
    found = as_json(row) | {
        "items": _items(db, members, first, limit),
        "sources": _sources(members),
        "entities": [
            {"name": name, "items": count}
            for name, count in names(
                [r["title"] for r in _each_once(members)[:MAX_NAMES_FROM] if r["title"]]
            )
        ],
        "merged": _merged_then(past, root) if past else _merged(db, root),
        "as_of": past.position if past else position,
        "log_id": log_id,
    }
    return found | (
        {"requested_id": incident_id, "redirected_from": incident_id}
        if root != incident_id
        else {}
    )


def titles(db: sqlite3.Connection, items: Sequence[str]) -> dict[str, str]:
    """The titles of items that have one now."""
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


def _merged(db: sqlite3.Connection, root: str) -> list[str]:
    return [
        name
        for (name,) in db.execute(
            "SELECT id FROM incidents WHERE into_id = ? ORDER BY n", (root,)
        )
    ]


def _merged_then(past: IncidentProjection, root: str) -> list[str]:
    return sorted(past.state.by_id[root].merged, key=lambda name: past.stamps[name].n)


def _members(
    db: sqlite3.Connection, tables: str, values: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """A row per mention, with the item's columns, the earliest report first."""
    sql = (
        f"{tables} SELECT t.*, m.item, m.mention, m.score, m.person, m.linked,"
        " m.review AS link_review, m.labels AS mention_labels FROM memberships m LEFT JOIN items t ON t.id = m.item"
        " WHERE m.incident = :n ORDER BY t.day, t.n, m.item, length(m.mention), m.mention"
    )
    return dicts(db, sql, values)


def _each_once(members: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({row["item"]: row for row in members}.values())


def _sources(members: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    of_items = Counter(
        source for row in _each_once(members) if (source := row["host"] or row["site"])
    )
    sites = {row["host"] or row["site"]: row["site"] for row in members}
    ordered = sorted(of_items.items(), key=lambda found: (-found[1], found[0]))
    return [
        {"name": name, "site": sites.get(name), "items": count}
        for name, count in ordered
    ]


def _items(
    db: sqlite3.Connection, members: Sequence[dict[str, Any]], first: int, limit: int
) -> list[dict[str, Any]]:
    shown = list(dict.fromkeys(row["item"] for row in members))[first : first + limit]
    by_item: dict[str, list[dict[str, Any]]] = {item: [] for item in shown}
    for row in members:
        if row["item"] in by_item:
            by_item[row["item"]].append(row)
    texts = dict(db.execute(
        "SELECT d.n, d.text FROM documents d JOIN items t ON t.n = d.n"
        " WHERE t.id IN (SELECT value FROM json_each(?))", (json.dumps(shown),)
    ))  # fmt: skip
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
    """Where the mention stands in its item, what is said there, and which passages made its labels true."""
    spans, evidence = (
        json.loads(row["mentions"] or "{}"),
        json.loads(row["evidence"] or "{}"),
    )
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
