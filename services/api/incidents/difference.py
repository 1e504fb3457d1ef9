"""What changed in an incident between two moments, as data and in words. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from incidentwire.labels import MentionId
from services.api.incidents.narrative import Titles, called
from services.api.read_model import incident_rows
from services.api.read_model.incident_rows import INCIDENTS
from services.api.read_model.incident_state import IncidentProjection

SHOWN = ("title", "status", "labels")  # the compared columns of an incident's row


def difference(
    name: str,
    states: tuple[IncidentProjection, IncidentProjection],
    rows: Sequence[Mapping[str, Any] | None],
    titles: Titles,
) -> dict[str, Any]:
    """Return the answer to GET …/diff; a row is None if there was no incident yet."""
    before, after = states
    gained, lost = keys_changed(before, after, name)
    merged_before = _merged(before, name)
    merged_after = _merged(after, name)
    changes = {
        field: {"before": _shown(rows[0], field), "after": _shown(rows[1], field)}
        for field in SHOWN
        if _shown(rows[0], field) != _shown(rows[1], field)
    }
    items_before = _items_of(before, name)
    items_after = _items_of(after, name)
    body = {
        "id": name,
        "from": before.position,
        "to": after.position,
        "shown_as": {"before": _root(before, name), "after": _root(after, name)},
        "items_gained": [
            {"id": i, "title": titles.get(i)}
            for i in items_after
            if i not in items_before
        ],
        "items_lost": [
            {"id": i, "title": titles.get(i)}
            for i in items_before
            if i not in items_after
        ],
        "mentions_gained": gained,
        "mentions_lost": lost,
        "merged_gained": [i for i in merged_after if i not in merged_before],
        "merged_lost": [i for i in merged_before if i not in merged_after],
        "changes": changes,
    }
    return body | {"lines": _sentences(body, titles)}


def _sentences(body: Mapping[str, Any], titles: Titles) -> list[str]:
    """Return the changes in words."""
    root = body["shown_as"]
    lines = [f"shown as {root['after']}, formerly as {root['before'] or 'nothing'}"]
    lines = lines if root["before"] != root["after"] else []
    lines += [f"gained {called(item['id'], titles)}" for item in body["items_gained"]]
    lines += [f"lost {called(item['id'], titles)}" for item in body["items_lost"]]
    lines += [f"{name} was merged into it" for name in body["merged_gained"]]
    lines += [f"{name} is no longer merged into it" for name in body["merged_lost"]]
    for field, change in body["changes"].items():
        lines.append(f"{field}: {_plain(change['before'])} → {_plain(change['after'])}")
    return lines


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return "none" if value is None else str(value)


def rows(
    db: Any, asked: Sequence[tuple[IncidentProjection, str]]
) -> list[dict[str, Any] | None]:
    found: list[dict[str, Any] | None] = []
    for projection, name in asked:
        root = _root(projection, name)
        rows = incident_rows.rows(db, projection, [root]) if root else []
        found.append(dict(zip(INCIDENTS, rows[0], strict=True)) if rows else None)
    return found


def _shown(row: Mapping[str, Any] | None, field: str) -> Any:
    value = row[field] if row else None
    return json.loads(value) if field == "labels" and value is not None else value


def _root(projection: IncidentProjection, name: str) -> str | None:
    return projection.state.resolve(name) if name in projection.state.by_id else None


def _members(projection: IncidentProjection, name: str) -> tuple[str, ...]:
    root = _root(projection, name)
    return projection.state.members(root) if root else ()


def _items_of(projection: IncidentProjection, name: str) -> list[str]:
    return list(
        dict.fromkeys(MentionId.parse(key).item for key in _members(projection, name))
    )


def _merged(projection: IncidentProjection, name: str) -> list[str]:
    root = _root(projection, name)
    return list(projection.state.tree(root))[1:] if root else []


def keys_changed(
    before: IncidentProjection, after: IncidentProjection, name: str
) -> tuple[list[str], list[str]]:
    then = _members(before, name)
    now = _members(after, name)
    return [key for key in now if key not in set(then)], [
        key for key in then if key not in set(now)
    ]
