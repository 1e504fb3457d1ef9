"""The incidents as plain JSON values and back, for snapshots: what comes back equals what went, to the order. Pure.

A snapshot is derived from the log and made for a restart of the same code. Whoever keeps one marks it with the code
that made it, and folds the log again where the mark does not agree; nothing here converts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from incidentwire.incidents.item_labels import ItemLabels, facts_of
from incidentwire.incidents.state import Incident, IncidentsState, Link

T = TypeVar("T")

_DEFAULTS = {
    shape: {field.name: field.default for field in dataclasses.fields(shape)}
    for shape in (Incident, Link)
}  # MISSING for a field that has none
WRONG = (AttributeError, KeyError, TypeError, ValueError)


def dump(state: IncidentsState) -> dict[str, Any]:
    """JSON values that share nothing changeable with the state. What has its default is left out."""
    return {
        "arrivals": state.arrivals,
        "known": [_incident_row(incident) for incident in state.known.values()],
        "links": {key: _row(link) for key, link in state.links.items()},
        "placed": {item: list(keys) for item, keys in state.placed.items()},
        "items": {item: _facts_row(facts) for item, facts in state.items.items()},
        "barred": {
            key: sorted(incidents) for key, incidents in state.cannot_link.items()
        },
    }


def load(said: Mapping[str, Any]) -> IncidentsState:
    """The state from what `dump` gave, also by way of JSON. Raises one of WRONG for anything else."""
    state = IncidentsState()
    # One string for each name, as in a state that was folded: copies would cost a third of the memory again.
    same = {
        name: name
        for name in (
            *(row["id"] for row in said["known"]),
            *said["links"],
            *said["items"],
        )
    }

    def names(read: Iterable[str]) -> tuple[str, ...]:
        return tuple(same.get(name, name) for name in read)

    known = [
        _incident({**row, "members": names(row.get("members", ()))})
        for row in said["known"]
    ]
    state.known = {incident.id: incident for incident in known}
    state.arrivals = said["arrivals"]
    state.links = {
        key: _link({**row, "incident": same[row["incident"]]})
        for key, row in said["links"].items()
    }
    state.placed = {
        same.get(item, item): names(keys) for item, keys in said["placed"].items()
    }
    state.items = {item: _facts(row) for item, row in said["items"].items()}
    state.cannot_link = {
        key: frozenset(incidents) for key, incidents in said["barred"].items()
    }
    return state


def _row(of: Incident | Link) -> dict[str, Any]:
    values = {name: getattr(of, name) for name in _DEFAULTS[type(of)]}
    return {
        name: _thawed(values[name])
        for name, default in _DEFAULTS[type(of)].items()
        if values[name] != default
    }


def _incident_row(incident: Incident) -> dict[str, Any]:
    row = _row(incident)
    if incident.brought:
        row["brought"] = [[key, _row(link)] for key, link in incident.brought]
    return row


def _incident(row: Mapping[str, Any]) -> Incident:
    brought = tuple((key, _link(link)) for key, link in row.get("brought", ()))
    return _made(Incident, {**row, "brought": brought})


def _link(row: Mapping[str, Any]) -> Link:
    return _made(Link, row)


def _made(shape: Callable[..., T], row: Mapping[str, Any]) -> T:
    return shape(
        **{
            name: tuple(value) if type(value) is list else value
            for name, value in row.items()
        }
    )


def _thawed(value: Any) -> Any:
    return list(value) if type(value) is tuple else value


def _facts_row(facts: ItemLabels) -> list[Any]:
    mentions = {mention: list(labels) for mention, labels in facts.mentions.items()}
    return [
        mentions,
        None if facts.corrected is None else list(facts.corrected),
        facts.gone,
    ]


def _facts(row: list[Any]) -> ItemLabels:
    mentions, corrected, gone = row
    by_mention = tuple((mention, tuple(labels)) for mention, labels in mentions.items())
    return facts_of(by_mention, None if corrected is None else tuple(corrected), gone)
