"""Candidates for a list of incidents as of an earlier position, in its order.

So rows are built for one page, not for all incidents. A candidate has what a match must
have at least; the SQL of list_query.py alone decides whether it does match.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from incidentwire.labels import MentionId
from services.api.read_model.incident_state import IncidentProjection

Key = tuple[str | int, int]  # what is compared, n

# filter -> what one item at least must have; the value is bound under its name
_ITEMS: Mapping[str, str] = {
    "from": "t.day >= :from",
    "to": "t.day <= :to",
    "source": "t.host = :source OR t.site = :source",
}


def candidates(
    db: sqlite3.Connection,
    past: IncidentProjection,
    asked: Mapping[str, Any],
    values: Mapping[str, Any],
    sort: str,
    *,
    descending: bool,
    after: Key | None = None,
) -> Iterator[str]:
    """Yield ids of live incidents in order, after `after`; all that match `asked` are
    among them. `values` are bound to the conditions."""
    state = past.state
    key_of = _key(db, past, sort)
    keys = [
        (key_of(name), past.stamps[name].n, name)
        for name in _narrowed(db, past, asked, values)
    ]
    wanted = set(asked.get("label", ()))
    for key, n, name in sorted(keys, reverse=descending):
        if after is not None:
            is_later = (key, n) < after if descending else (key, n) > after
            if not is_later:
                continue
        if not wanted or wanted <= set(state.labels(state.members(name))):
            yield name


def _narrowed(
    db: sqlite3.Connection,
    past: IncidentProjection,
    asked: Mapping[str, Any],
    values: Mapping[str, Any],
) -> Iterator[str]:
    filters = [name for name in _ITEMS if asked.get(name) is not None]
    found = [_of_items(db, past, name, values) for name in filters]
    statuses = asked.get("status") or ()
    for incident in past.state.active():
        if statuses and incident.status not in statuses:
            continue
        if all(incident.id in some for some in found):
            yield incident.id


def _of_items(
    db: sqlite3.Connection,
    past: IncidentProjection,
    name: str,
    values: Mapping[str, Any],
) -> set[str]:
    """Return the active incidents of items that satisfy the filter."""
    state = past.state
    items = db.execute(
        f"SELECT t.id FROM items t WHERE {_ITEMS[name]}",
        {name: values[name]},
    )
    return {
        state.resolve(state.links[key].incident)
        for (item,) in items
        for key in state.mentions_of_item.get(item, ())
    }


def _key(
    db: sqlite3.Connection, past: IncidentProjection, sort: str
) -> Callable[[str], str | int]:
    """Return the value that a sort compares, by incident id."""

    def items(name: str) -> set[str]:
        return {MentionId.parse(key).item for key in past.state.members(name)}

    match sort:
        case "updated":
            return lambda name: past.stamps[name].position
        case "items":
            return lambda name: len(items(name))
        case "last_report":
            days = dict[str, str](db.execute("SELECT id, day FROM items"))
            return lambda name: max(
                (days[item] for item in items(name) if item in days), default=""
            )
        case _:
            return lambda name: ""
