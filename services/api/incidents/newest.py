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
class Numbers:
    """Incidents by number, the newest first; `is_all` unless some are left out."""

    numbers: Sequence[int]
    is_all: bool
    is_bounded: bool  # they are those of the newest items with the words


def numbers(db: sqlite3.Connection, asked: Filters, limit: int) -> Numbers:
    """Return the newest incidents that satisfy the filters, `limit` at most."""
    functions.register(db)
    part = _part(db, asked, "newest")
    if part is not None:
        found = _numbers(db, part, limit + 1)
        if len(found) >= ENOUGH:
            return Numbers(numbers=found[:limit], is_all=False, is_bounded=True)
    found = _numbers(db, asked, limit + 1)
    is_all = len(found) <= limit
    return Numbers(numbers=found[:limit], is_all=is_all, is_bounded=False)


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


def _numbers(db: sqlite3.Connection, asked: Filters, limit: int) -> list[int]:
    where, values = list_query.where_of(asked)
    found = f"SELECT i.n FROM incidents i WHERE {where} ORDER BY i.n DESC LIMIT {limit}"
    return [n for (n,) in db.execute(found, values)]
