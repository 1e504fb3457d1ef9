"""Incidents of common words, found among the newest items that have them. No HTTP here.

A word that many items have is looked for in the newest of these first, so that the work
of a page does not grow with the archive. If they have too few incidents for a page, the
whole archive is looked through: a page is never shorter than what there is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.api.filters import functions, sql
from services.api.filters.parser import Node
from services.api.incidents import list_query
from services.api.incidents.list_query import IncidentPage

ENOUGH = 50  # incidents: a search that finds fewer looks through the whole archive
Filters = Mapping[str, Any]  # keys of list_query.FILTERS


@dataclass(frozen=True, kw_only=True)
class Newest:
    """Incidents by number, the newest first; `is_all` unless some are left out.

    `columns` has the values of each column that was asked for, in the same order.
    """

    numbers: Sequence[int]
    columns: Sequence[Sequence[Any]]
    is_all: bool
    is_bounded: bool  # they are those of the newest items with the words


def find(
    db: sqlite3.Connection, asked: Filters, limit: int, columns: Sequence[str] = ()
) -> Newest:
    """Return the newest incidents that satisfy the filters, `limit` at most."""
    functions.register(db)
    part = _part(db, asked, "newest")
    if part is not None:
        rows = _rows(db, part, limit + 1, columns)
        if len(rows) >= ENOUGH:
            return _newest(rows[:limit], columns, is_all=False, is_bounded=True)
    rows = _rows(db, asked, limit + 1, columns)
    is_all = len(rows) <= limit
    return _newest(rows[:limit], columns, is_all=is_all, is_bounded=False)


def _newest(
    rows: Sequence[Sequence[Any]], columns: Sequence[str], **about: bool
) -> Newest:
    numbers, *values = zip(*rows, strict=True) if rows else [()] * (len(columns) + 1)
    return Newest(numbers=list(numbers), columns=values, **about)


def page(
    db: sqlite3.Connection,
    asked: Filters,
    sort: str,
    after: tuple[str, int] | None,
    limit: int,
    *,
    with_items: bool = True,
) -> IncidentPage:
    """Return what list_query.page returns; not `is_exact` if it looked at a part."""
    part = _part(db, asked, sort)
    if part is not None:
        found = list_query.page(db, part, sort, after, limit, with_items=with_items)
        if found.after is not None:
            return replace(found, is_exact=False)
    return list_query.page(db, asked, sort, after, limit, with_items=with_items)


def _part(db: sqlite3.Connection, asked: Filters, sort: str) -> Filters | None:
    """Return filters that look at a part of the items; None if these are few anyway.

    The part is the newest items with each word, or the oldest for that sort.
    """
    if "q" not in asked or not _is_common(db, asked["q"]):
        return None
    others = {name: value for name, value in asked.items() if name != "q"}
    bounded = "oldest_q" if sort == "oldest" else "newest_q"
    return {**others, bounded: asked["q"]}


def _is_common(db: sqlite3.Connection, query: Node) -> bool:
    """Return whether more items than sql.NEWEST have a word of the query."""
    expression = sql.ranking(query)
    if expression is None:
        return False
    found = "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)"
    (count,) = db.execute(found, (expression, sql.NEWEST + 1)).fetchone()
    return int(count) > sql.NEWEST


def _rows(
    db: sqlite3.Connection, asked: Filters, limit: int, columns: Sequence[str]
) -> list[Any]:
    where, values = list_query.where_of(asked)
    picked = ", ".join(("i.n", *columns))
    # the table itself is in this order: an index would be one more look-up per row
    found = (
        f"SELECT {picked} FROM incidents i NOT INDEXED WHERE {where}"
        f" ORDER BY i.n DESC LIMIT {limit}"
    )
    return db.execute(found, values).fetchall()
