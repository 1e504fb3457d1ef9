"""IncidentsState as plain JSON values and back, for checkpoints: order included. Pure.

A checkpoint is derived from the log and read by the code that wrote it. Its owner marks it
with a digest of that code and folds the log again on a mismatch; nothing here converts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from incidentwire.incidents.item_labels import ItemLabels, intern
from incidentwire.incidents.state import Incident, IncidentsState, Link

T = TypeVar("T")

# MISSING for a field without default
_DEFAULTS = {
    shape: {field.name: field.default for field in dataclasses.fields(shape)}
    for shape in (Incident, Link)
}
DECODE_ERRORS = (AttributeError, KeyError, TypeError, ValueError)


def dump(state: IncidentsState) -> dict[str, Any]:
    """Return JSON values that share nothing mutable with the state, defaults omitted."""
    return {
        "links_made": state.links_made,
        "commands": state.commands,
        "by_id": [_incident_row(incident) for incident in state.by_id.values()],
        "links": {key: _row(link) for key, link in state.links.items()},
        "mentions_of_item": {
            item: list(keys) for item, keys in state.mentions_of_item.items()
        },
        "items": {item: _labels_row(labels) for item, labels in state.items.items()},
        "cannot_link": {
            key: sorted(incidents) for key, incidents in state.cannot_link.items()
        },
    }


def load(dumped: Mapping[str, Any]) -> IncidentsState:
    """Return the state that was dumped. Raises one of DECODE_ERRORS for other values."""
    state = IncidentsState()
    shared = _shared_names(dumped)

    def names(read: Iterable[str]) -> tuple[str, ...]:
        return tuple(shared.get(name, name) for name in read)

    for row in dumped["by_id"]:
        members = names(row.get("members", ()))
        incident = _incident({**row, "members": members})
        state.by_id[incident.id] = incident
    for key, row in dumped["links"].items():
        state.links[key] = _build(Link, {**row, "incident": shared[row["incident"]]})
    for item, keys in dumped["mentions_of_item"].items():
        state.mentions_of_item[shared.get(item, item)] = names(keys)
    for item, row in dumped["items"].items():
        state.items[item] = _labels(row)
    for key, incidents in dumped["cannot_link"].items():
        state.cannot_link[key] = frozenset(incidents)
    state.links_made = dumped["links_made"]
    state.commands = dumped["commands"]
    return state


def _shared_names(dumped: Mapping[str, Any]) -> dict[str, str]:
    """Return one string object per name, as after folding: copies would need a third
    more memory."""
    ids = (row["id"] for row in dumped["by_id"])
    return {name: name for name in (*ids, *dumped["links"], *dumped["items"])}


def _row(shape: Incident | Link) -> dict[str, Any]:
    row = {}
    for name, default in _DEFAULTS[type(shape)].items():
        value = getattr(shape, name)
        if value != default:
            row[name] = list(value) if type(value) is tuple else value
    return row


def _incident_row(incident: Incident) -> dict[str, Any]:
    row = _row(incident)
    if incident.split_members:
        row["split_members"] = [
            [key, _row(link)] for key, link in incident.split_members
        ]
    return row


def _incident(row: Mapping[str, Any]) -> Incident:
    moved = tuple(
        (key, _build(Link, link)) for key, link in row.get("split_members", ())
    )
    return _build(Incident, {**row, "split_members": moved})


def _build(shape: Callable[..., T], row: Mapping[str, Any]) -> T:
    values = {}
    for name, value in row.items():
        values[name] = tuple(value) if type(value) is list else value
    return shape(**values)


def _labels_row(labels: ItemLabels) -> list[Any]:
    mentions = {mention: list(found) for mention, found in labels.mentions.items()}
    corrected = None if labels.corrected is None else list(labels.corrected)
    return [mentions, corrected, labels.gone]


def _labels(row: list[Any]) -> ItemLabels:
    mentions, corrected, gone = row
    by_mention = tuple((mention, tuple(found)) for mention, found in mentions.items())
    return intern(by_mention, None if corrected is None else tuple(corrected), gone)
