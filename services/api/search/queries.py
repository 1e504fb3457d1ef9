"""Search in the read model: hits by relevance, with snippets. No HTTP here."""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.api.filters import functions, sql
from services.api.filters.parser import Node
from services.api.incidents import list_query
from services.api.items import queries as item_queries
from services.api.search import facets, snippets
from services.api.topics.queries import of_items as topics_of_items

WEIGHTS = "5.0, 1.0, 0.5"  # of title, text and stems, for bm25
Cursor = tuple[float, int]  # rank and n of the last hit


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
    db: sqlite3.Connection,
    query: Node,
    limit: int,
    after: Cursor | None,
    *,
    with_facets: bool = True,
) -> SearchPage:
    """Return items that satisfy the query, the most relevant first."""
    found = _item_hits(db, query)
    shown, following = found.page(limit, after)
    rows = _rows(db, "items", shown)
    texts = dict(
        db.execute(
            "SELECT n, text FROM documents WHERE n IN"
            f" ({','.join(str(row['n']) for row in rows)})"
        )
    )
    wanted = snippets.wanted(query)
    topics = topics_of_items(db, [row["n"] for row in rows])
    hits = [
        {
            "kind": "item",
            "id": row["id"],
            "title": row["title"],
            "url": row["url"],
            "day": row["day"],
            "language": row["language"],
            "labels": _labels(row),
            "topics": topics.get(row["n"], []),
            "snippet": _snippet(texts.get(row["n"]), row["id"], wanted),
            "link": f"/v1/items/{row['id']}",
        }
        for row in rows
    ]
    counts = facets.of_items(db, found.numbers) if with_facets else {}
    return _search_page(db, hits, following, found, counts)


def incidents(
    db: sqlite3.Connection,
    query: Node,
    limit: int,
    after: Cursor | None,
    *,
    with_facets: bool = True,
) -> SearchPage:
    """Return incidents that satisfy the query, the most relevant first."""
    found = _incident_hits(db, query)
    shown, following = found.page(limit, after)
    rows = _rows(db, "incidents", shown)
    wanted = snippets.wanted(query)
    hits = []
    for row in rows:
        item_id, text = _text_of(db, row["n"], found.best.get(row["n"]))
        hits.append(
            {
                "kind": "incident",
                **list_query.as_json(row),
                "snippet": _snippet(text, item_id, wanted),
                "link": f"/v1/incidents/{row['id']}",
            }
        )
    counts = facets.of_incidents(db, found.numbers) if with_facets else {}
    return _search_page(db, hits, following, found, counts)


KINDS: Mapping[str, Callable[..., SearchPage]] = {
    "items": items,
    "incidents": incidents,
}


# -- hits --------------------------------------------------------------------------------

MAX_HITS = 500  # the newest matches, among which relevance is compared


@dataclass(frozen=True, kw_only=True)
class Hits:
    """The newest matches in the order of the page: (rank, n), the best first.

    `best` is the item that an incident is shown by; `is_all` tells that no older match
    was left out.
    """

    ranked: list[Cursor]
    best: Mapping[int, int]
    is_all: bool

    @property
    def numbers(self) -> list[int]:
        """Return the numbers of all hits, for facets."""
        return [n for _, n in self.ranked]

    def page(
        self, limit: int, after: Cursor | None
    ) -> tuple[list[Cursor], Cursor | None]:
        """Return the hits of a page, and the cursor of the next one."""
        rest: Iterable[Cursor] = self.ranked
        if after is not None:
            rest = (hit for hit in self.ranked if _order(hit) > _order(after))
        shown = heapq.nsmallest(limit + 1, rest, key=_order)
        return shown[:limit], shown[limit - 1] if len(shown) > limit else None


def _order(hit: Cursor) -> tuple[float, int]:
    """Return the place of a hit: bm25 is smaller for better matches; then the newest."""
    rank, n = hit
    return rank, -n


_MATCHED = (
    f"SELECT rowid AS n, bm25(words, {WEIGHTS}) AS rank FROM words"
    f" WHERE words MATCH :r AND rowid >= :oldest ORDER BY rowid DESC LIMIT {2 * MAX_HITS}"
)
_RANKED_INCIDENTS = f"SELECT m.incident, w.n, w.rank FROM ({_MATCHED}) w JOIN item_incidents m ON m.n = w.n"


def _found(
    db: sqlite3.Connection, table: str, where: str, values: Mapping[str, Any]
) -> list[int]:
    """Return the numbers of the newest matches, one more than MAX_HITS if there are."""
    functions.register(db)
    sql_text = (
        f"SELECT i.n FROM {table} WHERE {where} ORDER BY i.n DESC LIMIT {MAX_HITS + 1}"
    )
    return [n for (n,) in db.execute(sql_text, dict(values))]


def _ranks(db: sqlite3.Connection, query: Node, oldest: int) -> dict[int, float]:
    """Return bm25 of the items from `oldest` on; empty for a query without words."""
    ranking = sql.ranking(query)
    if not ranking:
        return {}
    return dict(db.execute(_MATCHED, {"r": ranking, "oldest": oldest}))


_LIVE_ITEM = "i.state <> 'aliased'"
_LIVE_INCIDENT = "i.into_id IS NULL"
# CROSS JOIN keeps the index of words first: it yields the newest by itself, and the rest
# of the archive is not looked at.
_ITEMS_FROM_INDEX = (
    f"SELECT words.rowid, bm25(words.words, {WEIGHTS}) FROM words"
    " CROSS JOIN items i ON i.n = words.rowid"
    f" WHERE words.words MATCH :m AND ({{}}) AND {_LIVE_ITEM}"
    f" ORDER BY words.rowid DESC LIMIT {MAX_HITS + 1}"
)
_INCIDENTS_FROM_INDEX = (
    f"SELECT i.n, words.rowid, bm25(words.words, {WEIGHTS}) FROM words"
    " CROSS JOIN item_incidents m ON m.n = words.rowid"
    " CROSS JOIN incidents i ON i.n = m.incident"
    f" WHERE words.words MATCH :m AND ({{}}) AND {_LIVE_INCIDENT}"
    f" ORDER BY words.rowid DESC LIMIT {MAX_HITS + 1}"
)


def _item_hits(db: sqlite3.Connection, query: Node) -> Hits:
    driven = sql.driven(query)
    if driven is None:
        where, values = sql.named(sql.item(query), "q")
        found = _found(db, "items i", f"({where}) AND {_LIVE_ITEM}", values)
        shown = found[:MAX_HITS]
        ranks = _ranks(db, query, shown[-1]) if shown else {}
        ranked = [(ranks.get(n, 0.0), n) for n in shown]
        return Hits(ranked=ranked, best={}, is_all=len(found) <= MAX_HITS)
    functions.register(db)
    rest, values = sql.named(sql.rest_of_items(driven.rest), "q")
    rows = db.execute(
        _ITEMS_FROM_INDEX.format(rest), {**values, "m": driven.expression}
    ).fetchall()
    ranked = [(rank, n) for n, rank in rows[:MAX_HITS]]
    return Hits(ranked=ranked, best={}, is_all=len(rows) <= MAX_HITS)


def _incident_hits(db: sqlite3.Connection, query: Node) -> Hits:
    """Return incidents, each with the rank of its item that matches best."""
    driven = sql.driven(query)
    if driven is not None and driven.words:
        return _incidents_from_index(db, driven)
    where, values = sql.named(sql.incident(query), "q")
    found = _found(db, "incidents i", f"({where}) AND {_LIVE_INCIDENT}", values)
    shown = found[:MAX_HITS]
    ranking = sql.ranking(query)
    given = {"r": ranking, "oldest": 0}
    rows = db.execute(_RANKED_INCIDENTS, given) if ranking else ()
    ranks, best = _best(rows)
    ranked = [(ranks.get(n, 0.0), n) for n in shown]
    return Hits(ranked=ranked, best=best, is_all=len(found) <= MAX_HITS)


def _incidents_from_index(db: sqlite3.Connection, driven: sql.Driven) -> Hits:
    """Return the incidents of the newest items that match, and those of a given title."""
    functions.register(db)
    rest, values = sql.named(sql.incident(driven.rest), "q")
    rows = db.execute(
        _INCIDENTS_FROM_INDEX.format(rest), {**values, "m": driven.expression}
    ).fetchall()
    title, words = sql.named(sql.titled(driven.words), "t")
    titled = _found(
        db,
        "incidents i INDEXED BY incidents_named",
        f"{title} AND ({rest}) AND {_LIVE_INCIDENT}",
        {**values, **words},
    )
    ranks, best = _best(rows[:MAX_HITS])
    numbers = sorted({*ranks, *titled[:MAX_HITS]}, reverse=True)
    return Hits(
        ranked=[(ranks.get(n, 0.0), n) for n in numbers],
        best=best,
        is_all=len(rows) <= MAX_HITS and len(titled) <= MAX_HITS,
    )


def _best(
    rows: Iterable[tuple[int, int, float]],
) -> tuple[dict[int, float], dict[int, int]]:
    """Return by incident the best rank of its items, and the item that has it."""
    ranks: dict[int, float] = {}
    best: dict[int, int] = {}
    for incident, n, rank in rows:
        if incident not in ranks or rank < ranks[incident]:
            ranks[incident] = rank
            best[incident] = n
    return ranks, best


def _rows(
    db: sqlite3.Connection, table: str, hits: Sequence[Cursor]
) -> list[dict[str, Any]]:
    """Return the rows of hits in their order."""
    numbers = json.dumps([n for _, n in hits])
    sql_text = f"SELECT * FROM {table} WHERE n IN (SELECT value FROM json_each(:n))"
    rows = {row["n"]: row for row in list_query.dicts(db, sql_text, {"n": numbers})}
    return [rows[n] for _, n in hits]


def _search_page(
    db: sqlite3.Connection,
    hits: list[dict[str, Any]],
    following: Cursor | None,
    found: Hits,
    facets: Mapping[str, list[dict[str, Any]]],
) -> SearchPage:
    position, log_id = db.execute("SELECT position, log_id FROM checkpoint").fetchone()
    return SearchPage(
        hits=hits,
        after=following,
        total=len(found.ranked),
        is_exact=found.is_all,
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
