"""Search in the read model: hits by relevance, snippets, facets. No HTTP here."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.api.incidents import list_query
from services.api.items import queries as item_queries
from services.api.search import functions, snippets, sql
from services.api.search.filters import Node

WEIGHTS = "5.0, 1.0, 0.5"  # of title, text and stems, for bm25
FACET_VALUES = 20  # the most frequent of each facet
Cursor = tuple[float, int]  # rank and n of the last hit


@dataclass(frozen=True, kw_only=True)
class SearchPage:
    """Hits as JSON objects; `after` is the cursor if there are more."""

    hits: list[dict[str, Any]]
    after: Cursor | None
    total: int
    facets: Mapping[str, list[dict[str, Any]]]
    position: int
    log_id: str


def items(
    db: sqlite3.Connection,
    query: Node,
    limit: int,
    after: Cursor | None,
    *,
    with_facets: bool = True,
) -> SearchPage:
    """Return items that satisfy the query, the most relevant first."""
    where, values = sql.named(sql.item(query), "q")
    where = f"({where}) AND i.state <> 'aliased'"
    page = _page(db, "items", where, values, _ITEM_RANK, query, limit, after)
    rows, following, total = page
    texts = dict(
        db.execute(
            "SELECT n, text FROM documents WHERE n IN"
            f" ({','.join(str(row['n']) for row in rows)})"
        )
    )
    wanted = snippets.wanted(query)
    hits = [
        {
            "kind": "item",
            "id": row["id"],
            "title": row["title"],
            "url": row["url"],
            "day": row["day"],
            "language": row["language"],
            "labels": _labels(row),
            "snippet": _snippet(texts.get(row["n"]), row["id"], wanted),
            "link": f"/v1/items/{row['id']}",
        }
        for row in rows
    ]
    wanted_facets = ITEM_FACETS if with_facets else {}
    facets = _facets(db, "items", where, values, wanted_facets)
    return _search_page(db, hits, following, total, facets)


def incidents(
    db: sqlite3.Connection,
    query: Node,
    limit: int,
    after: Cursor | None,
    *,
    with_facets: bool = True,
) -> SearchPage:
    """Return incidents that satisfy the query, the most relevant first."""
    where, values = sql.named(sql.incident(query), "q")
    where = f"({where}) AND i.into_id IS NULL"
    page = _page(db, "incidents", where, values, _INCIDENT_RANK, query, limit, after)
    rows, following, total = page
    wanted = snippets.wanted(query)
    hits = []
    for row in rows:
        item_id, text = _text_of(db, row["n"], row["best"])
        hits.append(
            {
                "kind": "incident",
                **list_query.as_json(row),
                "snippet": _snippet(text, item_id, wanted),
                "link": f"/v1/incidents/{row['id']}",
            }
        )
    wanted_facets = INCIDENT_FACETS if with_facets else {}
    facets = _facets(db, "incidents", where, values, wanted_facets)
    return _search_page(db, hits, following, total, facets)


KINDS: Mapping[str, Callable[..., SearchPage]] = {
    "items": items,
    "incidents": incidents,
}


# -- pages -------------------------------------------------------------------------------

# bm25 needs a plain query of the index, so its result is materialised first.
_MATCHED = (
    f"SELECT rowid AS n, bm25(words, {WEIGHTS}) AS rank FROM words WHERE words MATCH :r"
)
_NO_RANK = "SELECT 0 AS n, 0.0 AS rank WHERE FALSE"
_ITEM_RANK = "SELECT n, rank, n AS best FROM matched"
# `best` is the item with the smallest rank: SQLite takes bare columns from that row.
_INCIDENT_RANK = (
    "SELECT m.incident AS n, min(w.rank) AS rank, w.n AS best FROM matched w"
    " JOIN items t ON t.n = w.n JOIN memberships m ON m.item = t.id GROUP BY 1"
)


def _page(
    db: sqlite3.Connection,
    table: str,
    where: str,
    values: Mapping[str, Any],
    rank: str,
    query: Node,
    limit: int,
    after: Cursor | None,
) -> tuple[list[dict[str, Any]], Cursor | None, int]:
    """Return rows of a page, the cursor of the next one, and the number of matches."""
    functions.register(db)
    ranking = sql.ranking(query)
    given = dict(values)
    if ranking:
        given["r"] = ranking
    found = f"SELECT i.n FROM {table} i WHERE {where}"
    total = db.execute(f"SELECT count(*) FROM ({found})", given).fetchone()[0]
    behind = ""
    if after is not None:
        behind = "WHERE (rank > :rank OR (rank = :rank AND n < :n))"
        given |= {"rank": after[0], "n": after[1]}
    # No relevance (fields only): newest first. bm25 is smaller for better matches.
    text = (
        f"WITH matched AS MATERIALIZED ({_MATCHED if ranking else _NO_RANK}),"
        f" ranks AS MATERIALIZED ({rank}), hits AS ("
        f"SELECT f.n, coalesce(r.rank, 0.0) AS rank, r.best FROM ({found}) f"
        " LEFT JOIN ranks r ON r.n = f.n),"
        f" shown AS (SELECT n, rank, best FROM hits {behind} ORDER BY rank, n DESC LIMIT :most)"
        f" SELECT i.*, s.rank AS rank, s.best AS best FROM shown s JOIN {table} i ON i.n = s.n"
        " ORDER BY s.rank, s.n DESC"
    )
    rows = list_query.dicts(db, text, {**given, "most": limit + 1})
    shown = rows[:limit]
    is_more = len(rows) > limit
    following = (shown[-1]["rank"], shown[-1]["n"]) if is_more else None
    return shown, following, total


def _search_page(
    db: sqlite3.Connection,
    hits: list[dict[str, Any]],
    following: Cursor | None,
    total: int,
    facets: Mapping[str, list[dict[str, Any]]],
) -> SearchPage:
    position, log_id = db.execute("SELECT position, log_id FROM checkpoint").fetchone()
    return SearchPage(
        hits=hits,
        after=following,
        total=total,
        facets=facets,
        position=position,
        log_id=log_id,
    )


def _labels(row: Mapping[str, Any]) -> list[str]:
    shown: list[str] = [
        found["label"] for found in item_queries.as_json(row, None)["labels"]
    ]
    return shown


def _snippet(
    text: str | None, item_id: str | None, wanted: snippets.Wanted
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


# -- facets ------------------------------------------------------------------------------

ITEM_FACETS: Mapping[str, str] = {
    "label": "SELECT l.label FROM found f JOIN item_labels l ON l.n = f.n",
    "state": "SELECT i.state FROM found f JOIN items i ON i.n = f.n",
    "lang": "SELECT i.language FROM found f JOIN items i ON i.n = f.n",
    "source": "SELECT i.host FROM found f JOIN items i ON i.n = f.n",
    "month": "SELECT substr(i.day, 1, 7) FROM found f JOIN items i ON i.n = f.n",
}
_OF_ARRAY = (
    "SELECT j.value FROM found f JOIN incidents i ON i.n = f.n, json_each(i.{}) j"
)
INCIDENT_FACETS: Mapping[str, str] = {
    "label": _OF_ARRAY.format("labels"),
    "status": "SELECT i.status FROM found f JOIN incidents i ON i.n = f.n",
    "lang": _OF_ARRAY.format("languages"),
    "source": _OF_ARRAY.format("hosts"),
    "month": "SELECT substr(i.last_report, 1, 7) FROM found f"
    " JOIN incidents i ON i.n = f.n",
}


def _facets(
    db: sqlite3.Connection,
    table: str,
    where: str,
    values: Mapping[str, Any],
    facets: Mapping[str, str],
) -> dict[str, list[dict[str, Any]]]:
    """Return the most frequent values of each facet with their counts."""
    if not facets:
        return {}
    counted = [
        f"SELECT * FROM (SELECT '{name}' AS facet, value, count(*) AS hits FROM"
        f" (SELECT column1 AS value FROM ({_named_column(query)}))"
        " WHERE value IS NOT NULL AND value <> '' GROUP BY value"
        f" ORDER BY hits DESC, value LIMIT {FACET_VALUES})"
        for name, query in facets.items()
    ]
    text = (
        f"WITH found AS MATERIALIZED (SELECT i.n FROM {table} i WHERE {where}) "
        + " UNION ALL ".join(counted)
    )
    shown: dict[str, list[dict[str, Any]]] = {name: [] for name in facets}
    for facet, value, count in db.execute(text, dict(values)):
        shown[facet].append({"value": value, "count": count})
    return shown


def _named_column(query: str) -> str:
    """Return the query with its only column named column1."""
    return f"SELECT NULL AS column1 WHERE FALSE UNION ALL {query}"
