"""The newest matches of a query with their relevance. No HTTP here."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from services.api.filters import functions, sql
from services.api.filters.parser import EVERYTHING, Node
from services.api.incidents import list_query, newest

MAX_HITS = 400  # the newest matches, among which relevance is compared
ENOUGH = 100  # hits of a kind with which older ones are not looked for
WEIGHTS = "5.0, 1.0, 0.5"  # of title, text and stems, for bm25
Cursor = tuple[float, int]  # rank and n of the last hit
Filters = Mapping[str, Any]  # of the list of incidents, see list_query.FILTERS
NO_FILTERS: Filters = {}


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


def of_items(db: sqlite3.Connection, query: Node) -> Hits:
    """Return the newest items that satisfy the query."""
    driven = sql.driven(query)
    if driven is not None:
        return _items_from_index(db, driven)
    where, values = sql.named(sql.item(query), "q")
    found = _found(db, "items i", f"({where}) AND {_NOT_ALIAS}", values)
    shown = found[:MAX_HITS]
    ranks = _ranks(db, query, shown[-1]) if shown else {}
    ranked = [(ranks.get(n, 0.0), n) for n in shown]
    return Hits(ranked=ranked, best={}, is_all=len(found) <= MAX_HITS)


def of_incidents(
    db: sqlite3.Connection, query: Node, filters: Filters = NO_FILTERS
) -> Hits:
    """Return the newest incidents that satisfy the query and the filters.

    Each has the rank of its item that matches best.
    """
    driven = sql.driven(query)
    if driven is not None and driven.words:
        return _incidents_from_index(db, driven, filters)
    functions.register(db)
    found = newest.find(db, {**filters, "q": query}, MAX_HITS)
    ranking = sql.ranking(query)
    given = {"r": ranking, "limit": 2 * MAX_HITS}
    ranks, best = _best(db.execute(_RANKED_INCIDENTS, given) if ranking else ())
    ranked = [(ranks.get(n, 0.0), n) for n in found.numbers[:MAX_HITS]]
    return Hits(ranked=ranked, best=best, is_all=found.is_all)


def of_both(db: sqlite3.Connection, query: Node) -> tuple[Hits, Hits]:
    """Return the newest items and the newest incidents that satisfy the query.

    The index is read once for both: most of the time goes into bm25, which looks at every
    item that has a word before it ranks the first.
    """
    driven = sql.driven(query)
    if driven is None or not driven.words:
        return of_items(db, query), of_incidents(db, query)
    items, incidents = _both_from_index(db, driven)
    return items or of_items(db, query), incidents or of_incidents(db, query)


# -- statements --------------------------------------------------------------------------

# The index of words yields the newest by itself: CROSS JOIN keeps it first. Rows of
# `items` are wide: what most conditions need is in a small index.
_RANK = f"bm25(words.words, {WEIGHTS})"
_ITEM = "CROSS JOIN items i INDEXED BY items_facets ON i.n = words.rowid"
_NOT_ALIAS = "i.state <> 'aliased'"
_NEWEST_FIRST = "ORDER BY words.rowid DESC LIMIT :limit"
_ITEMS_FROM_INDEX = (
    f"SELECT words.rowid, {_RANK} FROM words {_ITEM}"
    f" WHERE words.words MATCH :m AND ({{}}) AND {_NOT_ALIAS} {_NEWEST_FIRST}"
)
_INCIDENTS_FROM_INDEX = (
    f"SELECT i.n, words.rowid, {_RANK} FROM words"
    " CROSS JOIN item_incidents m ON m.n = words.rowid"
    " CROSS JOIN incidents i ON i.n = m.incident"
    f" WHERE words.words MATCH :m AND {{}} {_NEWEST_FIRST}"
)
_BOTH_FROM_INDEX = (
    f"SELECT words.rowid, m.incident, {_RANK}, {{item}}, {{incident}} FROM words {_ITEM}"
    " LEFT JOIN item_incidents m ON m.n = words.rowid"
    f" WHERE words.words MATCH :m AND ({{item}} OR {{incident}}) {_NEWEST_FIRST}"
)
_INCIDENT_OF_ITEM = "EXISTS (SELECT 1 FROM incidents i WHERE i.n = m.incident AND ({}))"
_RANKED = (
    f"SELECT rowid AS n, bm25(words, {WEIGHTS}) AS rank FROM words"
    " WHERE words MATCH :r{} ORDER BY rowid DESC LIMIT :limit"
)
_RANKED_INCIDENTS = (
    f"SELECT m.incident, w.n, w.rank FROM ({_RANKED.format('')}) w"
    " JOIN item_incidents m ON m.n = w.n"
)


def _found(
    db: sqlite3.Connection, table: str, where: str, values: Mapping[str, Any]
) -> list[int]:
    """Return the numbers of the newest matches, one more than MAX_HITS if there are."""
    functions.register(db)
    statement = f"SELECT i.n FROM {table} WHERE {where} ORDER BY i.n DESC LIMIT :limit"
    given = {**values, "limit": MAX_HITS + 1}
    return [n for (n,) in db.execute(statement, given)]


def _ranks(db: sqlite3.Connection, query: Node, oldest: int) -> dict[int, float]:
    """Return bm25 of the items from `oldest` on; empty for a query without words."""
    ranking = sql.ranking(query)
    if not ranking:
        return {}
    given = {"r": ranking, "oldest": oldest, "limit": 2 * MAX_HITS}
    return dict(db.execute(_RANKED.format(" AND rowid >= :oldest"), given))


def _items_from_index(db: sqlite3.Connection, driven: sql.Driven) -> Hits:
    functions.register(db)
    rest, values = sql.named(sql.rest_of_items(driven.rest), "q")
    given = {**values, "m": driven.expression, "limit": MAX_HITS + 1}
    rows = db.execute(_ITEMS_FROM_INDEX.format(rest), given).fetchall()
    ranked = [(rank, n) for n, rank in rows[:MAX_HITS]]
    return Hits(ranked=ranked, best={}, is_all=len(rows) <= MAX_HITS)


def _incidents_from_index(
    db: sqlite3.Connection, driven: sql.Driven, filters: Filters
) -> Hits:
    """Return the incidents of the newest items that match, and those of a given title."""
    functions.register(db)
    asked = {**filters, "q": driven.rest}
    rest, values = list_query.where_of(asked)
    given = {**values, "m": driven.expression, "limit": MAX_HITS + 1}
    rows = db.execute(_INCIDENTS_FROM_INDEX.format(rest), given).fetchall()
    ranks, best = _best(rows[:MAX_HITS])
    titled = _titled(db, driven, asked)
    return _joined(ranks, best, titled, is_all=len(rows) <= MAX_HITS)


def _both_from_index(
    db: sqlite3.Connection, driven: sql.Driven
) -> tuple[Hits | None, Hits | None]:
    """Return the hits of both kinds among the newest rows; None for one with too few."""
    functions.register(db)
    rest, values = sql.named(sql.rest_of_items(driven.rest), "i")
    asked = {"q": driven.rest}
    where, given = list_query.where_of(asked)
    of_incident = _INCIDENT_OF_ITEM.format(where)
    if driven.rest == EVERYTHING:
        of_incident = "m.incident IS NOT NULL"
        given = {}
    conditions = {"item": f"(({rest}) AND {_NOT_ALIAS})", "incident": of_incident}
    # more than half of the items are in no incident
    limit = 2 * MAX_HITS if driven.rest == EVERYTHING else MAX_HITS
    bound = {**values, **given, "m": driven.expression, "limit": limit + 1}
    rows = db.execute(_BOTH_FROM_INDEX.format(**conditions), bound).fetchall()
    is_all = len(rows) <= limit
    ranks = {n: rank for n, _, rank, is_item, _ in rows[:limit] if is_item}
    items = None
    if is_all or len(ranks) >= ENOUGH:
        ranked = [(rank, n) for n, rank in islice(ranks.items(), MAX_HITS)]
        is_whole = is_all and len(ranks) <= MAX_HITS
        items = Hits(ranked=ranked, best={}, is_all=is_whole)
    linked = [
        (incident, n, rank) for n, incident, rank, _, is_hit in rows[:limit] if is_hit
    ]
    if not is_all and len(linked) < ENOUGH:
        return items, None
    titled = _titled(db, driven, asked)
    return items, _joined(*_best(linked), titled, is_all=is_all)


def _titled(db: sqlite3.Connection, driven: sql.Driven, asked: Filters) -> list[int]:
    """Return the newest incidents that a person gave a title with the words."""
    title, words = sql.named(sql.titled(driven.words), "t")
    rest, values = list_query.where_of(asked)
    table = "incidents i INDEXED BY incidents_named"
    return _found(db, table, f"{title} AND {rest}", {**values, **words})


def _joined(
    ranks: Mapping[int, float],
    best: Mapping[int, int],
    titled: list[int],
    *,
    is_all: bool,
) -> Hits:
    numbers = sorted({*ranks, *titled[:MAX_HITS]}, reverse=True)
    return Hits(
        ranked=[(ranks.get(n, 0.0), n) for n in numbers],
        best=best,
        is_all=is_all and len(titled) <= MAX_HITS,
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
