"""Search in the read model: hits by relevance, with snippets. No HTTP here."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.api.filters.parser import Node
from services.api.incidents import list_query
from services.api.search import facets, hits, snippets
from services.api.search.hits import Cursor, Hits
from services.api.topics.queries import of_items as topics_of_items


@dataclass(frozen=True, kw_only=True)
class SearchPage:
    """Hits as JSON objects; `after` is the cursor if there are more.

    Unless `is_exact`, there are more than `total` matches: the oldest are left out, in
    `facets` too.
    """

    hits: list[dict[str, Any]]
    after: Cursor | None
    total: int
    is_exact: bool
    facets: Mapping[str, list[dict[str, Any]]]
    position: int
    log_id: str


def items(
    db: sqlite3.Connection, query: Node, limit: int, after: Cursor | None
) -> SearchPage:
    """Return items that satisfy the query, the most relevant first, with facets."""
    found = hits.of_items(db, query)
    counts = facets.of_items(db, found.numbers)
    shown, following = found.page(limit, after)
    return _search_page(db, item_hits(db, query, shown), following, found, counts)


def incidents(
    db: sqlite3.Connection, query: Node, limit: int, after: Cursor | None
) -> SearchPage:
    """Return incidents that satisfy the query, the most relevant first, with facets."""
    found = hits.of_incidents(db, query)
    counts = facets.of_incidents(db, found.numbers)
    shown, following = found.page(limit, after)
    shown_hits = incident_hits(db, query, shown, found.best)
    return _search_page(db, shown_hits, following, found, counts)


KINDS: Mapping[str, Callable[..., SearchPage]] = {
    "items": items,
    "incidents": incidents,
}


def item_hits(
    db: sqlite3.Connection, query: Node, shown: Sequence[Cursor]
) -> list[dict[str, Any]]:
    """Return the hits of a page of items as JSON objects."""
    rows = _rows(db, "items", shown)
    texts = dict(
        db.execute(
            "SELECT n, text FROM documents WHERE n IN"
            f" ({','.join(str(row['n']) for row in rows)})"
        )
    )
    wanted = snippets.search_terms(query)
    topics = topics_of_items(db, [row["n"] for row in rows])
    return [
        {
            "kind": "item",
            "id": row["id"],
            "title": row["title"],
            "url": row["url"],
            "host": row["host"],
            "site": row["site"],
            "day": row["day"],
            "language": row["language"],
            "labels": json.loads(row["labels"]),
            "topics": topics.get(row["n"], []),
            "snippet": _snippet(texts.get(row["n"]), row["id"], wanted),
            "link": f"/v1/items/{row['id']}",
        }
        for row in rows
    ]


def incident_hits(
    db: sqlite3.Connection,
    query: Node,
    shown: Sequence[Cursor],
    best: Mapping[int, int],
) -> list[dict[str, Any]]:
    """Return the hits of a page of incidents; `best` is the item each is shown by."""
    wanted = snippets.search_terms(query)
    found = []
    for row in _rows(db, "incidents", shown):
        item_id, text = _text_of(db, row["n"], best.get(row["n"]))
        found.append(
            {
                "kind": "incident",
                **list_query.as_json(row),
                "snippet": _snippet(text, item_id, wanted),
                "link": f"/v1/incidents/{row['id']}",
            }
        )
    return found


def _rows(
    db: sqlite3.Connection, table: str, shown: Sequence[Cursor]
) -> list[dict[str, Any]]:
    """Return the rows of hits in their order."""
    numbers = json.dumps([n for _, n in shown])
    sql_text = f"SELECT * FROM {table} WHERE n IN (SELECT value FROM json_each(:n))"
    rows = {row["n"]: row for row in list_query.dicts(db, sql_text, {"n": numbers})}
    return [rows[n] for _, n in shown]


def _search_page(
    db: sqlite3.Connection,
    shown: list[dict[str, Any]],
    following: Cursor | None,
    found: Hits,
    counts: Mapping[str, list[dict[str, Any]]],
) -> SearchPage:
    position, log_id = db.execute("SELECT position, log_id FROM checkpoint").fetchone()
    return SearchPage(
        hits=shown,
        after=following,
        total=len(found.ranked),
        is_exact=found.is_all,
        facets=counts,
        position=position,
        log_id=log_id,
    )


def _snippet(
    text: str | None, item_id: str | None, wanted: snippets.SearchTerms
) -> dict[str, Any] | None:
    if text is None:
        return None
    return {"item": item_id, **snippets.snippet(text, wanted)}


def _text_of(
    db: sqlite3.Connection, n: int, best: int | None
) -> tuple[str | None, str | None]:
    """Return id and text of the incident's item that matches best, else of its first."""
    if best is None:
        sql_text = (
            "SELECT t.n FROM memberships m JOIN items t ON t.id = m.item"
            " WHERE m.incident = ? ORDER BY t.day, t.n LIMIT 1"
        )
        first = db.execute(sql_text, (n,)).fetchone()
        if first is None:
            return None, None
        best = first[0]
    sql_text = (
        "SELECT t.id, d.text FROM items t JOIN documents d ON d.n = t.n WHERE t.n = ?"
    )
    found = db.execute(sql_text, (best,)).fetchone()
    return (found[0], found[1]) if found else (None, None)
