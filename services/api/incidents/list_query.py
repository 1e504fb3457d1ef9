"""Queries of the incidents in the read model. No HTTP here.

The same SQL answers as of an earlier position: the rows of that moment are passed as
JSON and replace the tables. What is shown of items (titles, quotes, dates) is current.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

from incidentwire.log.cloudevents import rfc3339
from services.api.filters import functions, sql
from services.api.filters.parser import All, Field, Not
from services.api.incidents.as_of import candidates
from services.api.incidents.reports import Report, item_ids, reports
from services.api.read_model import incident_rows
from services.api.read_model.incident_rows import INCIDENTS, MEMBERSHIPS
from services.api.read_model.incident_state import IncidentProjection
from services.api.text.folding import fold

# sort -> what is compared, direction; n makes each order total
SORTS: Mapping[str, tuple[str, str]] = {
    "newest": ("''", "DESC"),
    "oldest": ("''", "ASC"),
    "last_report": ("i.last_report", "DESC"),
    "items": ("i.items", "DESC"),
    "updated": ("i.position", "DESC"),
}
NUMERIC = ("items", "updated")
LEAST = 200  # rows of an earlier moment that are built at a time
MOST = 5_000

_BY_ITEMS = "SELECT m.incident FROM item_incidents m JOIN items t ON t.n = m.n WHERE"
# the same of an earlier moment, whose memberships are given as JSON
_NUMBERS_THEN = (
    "item_incidents (n, incident) AS MATERIALIZED (SELECT DISTINCT t.n, m.incident"
    " FROM memberships m JOIN items t ON t.id = m.item)"
)
# parameter of GET /v1/incidents -> condition; the value is bound under its name
CONDITIONS: Mapping[str, str] = {
    "among": "i.n IN (SELECT value FROM json_each(:among))",  # found before
    "from": "i.last_report >= :from",
    "to": "i.first_report <= :to AND i.first_report <> ''",
    "source": (
        "instr(i.hosts, '\"' || :source || '\"')"
        f" OR i.n IN ({_BY_ITEMS} t.site = :source)"
    ),
    "status": "i.status IN (SELECT value FROM json_each(:status))",
    "language": "instr(i.languages, '\"' || :language || '\"')",
    "country": "instr(i.countries, '\"' || :country || '\"')",
    "without_country": "NOT instr(i.countries, '\"' || :without_country || '\"')",
    "month": "substr(i.first_report, 1, 7) = :month",
    "without_status": "i.status NOT IN (SELECT value FROM json_each(:without_status))",
    "without_source": "NOT instr(i.hosts, '\"' || :without_source || '\"')",
    "without_language": "NOT instr(i.languages, '\"' || :without_language || '\"')",
    "without_month": "substr(i.first_report, 1, 7) <> :without_month",
}
# … -> condition made from a parsed query, or from each of a list's values
_LABEL = partial(Field, "label")
TREES: Mapping[str, Callable[[Any], sql.Condition]] = {
    "q": sql.incident,
    "newest_q": sql.newest_incident,  # finds the newest fast, but not all
    "oldest_q": partial(sql.newest_incident, order="ASC"),
    "label": lambda labels: sql.incident(All(tuple(map(_LABEL, labels)))),
    "without_label": lambda labels: sql.incident(
        All(tuple(Not(_LABEL(label)) for label in labels))
    ),
    "entity": lambda name: sql.incident(Field("entity", fold(name))),
    "topic": lambda name: sql.incident(Field("topic", fold(name))),
    "without_topic": lambda name: sql.incident(Not(Field("topic", fold(name)))),
    "without_entity": lambda name: sql.incident(Not(Field("entity", fold(name)))),
}
FILTERS = (frozenset(CONDITIONS) | frozenset(TREES)) - {
    "among",
    "newest_q",
    "oldest_q",
}


@dataclass(frozen=True, kw_only=True)
class IncidentPage:
    """Incidents as JSON objects.

    `after` is the sort key and n of the last one if there are more. `position` and
    `log_id` are the read model's, or the position is the one asked for. `reports` is by
    incident, for exports and feeds only. Unless `is_exact`, only the newest items with
    the words were looked at (newest.py).
    """

    incidents: list[dict[str, Any]]
    after: tuple[str, int] | None
    position: int
    log_id: str
    reports: Mapping[str, Sequence[Report]] = field(default_factory=dict)
    is_exact: bool = True


def page(
    db: sqlite3.Connection,
    asked: Mapping[str, Any],
    sort: str,
    after: tuple[str, int] | None,
    limit: int,
    past: IncidentProjection | None = None,
    *,
    with_items: bool = True,
) -> IncidentPage:
    """Return live incidents that satisfy every filter; `asked` has keys of FILTERS.

    `with_items` names the items of each, which takes long for the largest.
    """
    functions.register(db)
    where, values = where_of(asked)
    key, direction = SORTS[sort]
    if after is not None:
        where += f" AND ({key}, i.n) {'<' if direction == 'DESC' else '>'} (:key, :n)"
        values |= {
            "key": int(after[0] or 0) if sort in NUMERIC else after[0],
            "n": after[1],
        }
    order = f"i.n {direction}"
    if key != "''":  # SQLite sorts all rows by a constant, too
        order = f"{key} {direction}, {order}"
    query = f"SELECT i.* FROM incidents i WHERE {where} ORDER BY {order} LIMIT :limit"
    if past is None:
        found = dicts(db, query, {**values, "limit": limit + 1})
    else:
        start = (values["key"], values["n"]) if after is not None else None
        names = candidates(
            db, past, asked, values, sort, descending=direction == "DESC", after=start
        )
        found = _found_then(db, past, names, query, values, limit + 1)
    position, log_id = db.execute("SELECT position, log_id FROM checkpoint").fetchone()
    last = found[limit - 1] if len(found) > limit else None
    shown = [as_json(row) for row in found[:limit]]
    if with_items:
        items = item_ids(db, [one["id"] for one in shown], past)
        shown = [one | {"item_ids": items[one["id"]]} for one in shown]
    return IncidentPage(
        incidents=shown,
        after=(_key(last, sort), last["n"]) if last else None,
        position=past.position if past else position,
        log_id=log_id,
    )


def page_with_reports(
    db: sqlite3.Connection,
    asked: Mapping[str, Any],
    sort: str,
    after: tuple[str, int] | None,
    limit: int,
    past: IncidentProjection | None = None,
) -> IncidentPage:
    """Return what `page` returns, with the reports of each incident."""
    found = page(db, asked, sort, after, limit, past)
    items = {one["id"]: one["item_ids"] for one in found.incidents}
    return replace(found, reports=reports(db, items))


def as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the incident as lists show it."""
    named = "person" if row["named"] else "item"
    return {
        "id": row["id"],
        "title": row["title"],
        "title_by": named if row["title"] is not None else None,
        "labels": json.loads(row["labels"]),
        "status": row["status"],
        "closed_empty": bool(row["closed_empty"]),
        "first_report": row["first_report"] or None,
        "last_report": row["last_report"] or None,
        "item_count": row["items"],
        "mention_count": row["mentions"],
        "source_count": row["sources"],
        "version": row["version"],
        "split_from": row["split_from"],
        "same_as": json.loads(row["same_as"]),
        "countries": json.loads(row["countries"]),
        "topics": json.loads(row["topics"]),
        "position": row["position"],
        "opened_at": rfc3339(row["opened_ms"]),
        "updated_at": rfc3339(row["updated_ms"]),
        "links": {
            name: f"/v1/incidents/{row['id']}{path}" for name, path in LINKS.items()
        },
    }


LINKS = {"self": "", "history": "/history", "diff": "/diff"}


def then(
    db: sqlite3.Connection, past: IncidentProjection, names: Sequence[str]
) -> tuple[str, dict[str, str]]:
    """Return SQL that replaces the tables by the rows of that moment, and its values."""
    keys = [key for name in names for key in past.state.members(name)]
    values = {
        "incidents": json.dumps(incident_rows.rows(db, past, names)),
        "memberships": json.dumps(
            [incident_rows.membership(past, key) for key in keys]
        ),
    }
    return (
        f"WITH {_table('incidents', INCIDENTS)}, {_table('memberships', MEMBERSHIPS)},"
        f" {_NUMBERS_THEN}",
        values,
    )


def _found_then(
    db: sqlite3.Connection,
    past: IncidentProjection,
    names: Iterator[str],
    query: str,
    values: Mapping[str, Any],
    limit: int,
) -> list[dict[str, Any]]:
    """Return the first `limit` rows that the SQL finds among incidents in its order."""
    found: list[dict[str, Any]] = []
    size = min(max(limit, LEAST), MOST)
    while len(found) < limit and (some := list(islice(names, size))):
        tables, given = then(db, past, some)
        found += dicts(
            db, f"{tables} {query}", {**values, **given, "limit": limit - len(found)}
        )
    return found


def dicts(
    db: sqlite3.Connection, query: str, values: Mapping[str, Any]
) -> list[dict[str, Any]]:
    cursor = db.execute(query, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _table(name: str, columns: Sequence[str]) -> str:
    picked = ", ".join(f"json_extract(value, '$[{n}]')" for n in range(len(columns)))
    # a table of its own, not a view: json is read once, and joins may build an index
    return f"{name} ({', '.join(columns)}) AS MATERIALIZED (SELECT {picked} FROM json_each(:{name}))"


def where_of(asked: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the condition, and its values by name. Keys of `asked`: CONDITIONS.

    Incidents that lost their last item are found only if a status is asked for.
    """
    conditions = ["i.into_id IS NULL"]
    if not asked.get("status"):
        conditions.append("NOT i.closed_empty")
    values: dict[str, Any] = {}
    for name, value in asked.items():
        if name in TREES:
            condition, given = sql.named(TREES[name](value), name)
        else:
            condition = CONDITIONS[name]
            given = {name: json.dumps(value) if isinstance(value, list) else value}
        conditions.append(f"({condition})")
        values |= given
    return " AND ".join(conditions), values


def _key(row: Mapping[str, Any], sort: str) -> str:
    column = SORTS[sort][0].removeprefix("i.")
    return "" if column == "''" else str(row[column])
