"""An incident through time over HTTP: its history, and what changed between two moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response

from incidentwire.labels import MentionId
from incidentwire.log.cloudevents import envelope
from incidentwire.log.recorded_event import RecordedEvent
from incidentwire.web.auth import require
from services.api.errors import UnknownIncident
from services.api.http import Blueprint, as_answer, event_log, reader, wait_for
from services.api.incidents import detail_query, difference, explain, narrative
from services.api.incidents.past import state_cache
from services.api.incidents.schemas import (
    DiffQuerySchema,
    DiffSchema,
    HistoryQuerySchema,
    HistorySchema,
)

blueprint = Blueprint(
    "incident_history",
    __name__,
    url_prefix="/v1/incidents",
    description="Incidents through time",
)


@blueprint.route("/<incident_id>/history", methods=["GET"])
@require("read")
@blueprint.arguments(HistoryQuerySchema, location="query")
@blueprint.response(200, HistorySchema)
def show_history(query: dict[str, Any], incident_id: str) -> Response:
    """Show the events of an incident and of those merged into it, oldest first."""
    wait_for(query.get("min_position"))
    body = history_of(incident_id, query["after"], query["limit"])
    return as_answer(body)


def history_of(incident_id: str, after: int, limit: int) -> dict[str, Any]:
    """Return the first events after a position, see HistorySchema.

    Raises UnknownIncident.
    """
    root, last, positions = _positions(incident_id)
    following = [p for p in positions if p > after]
    shown = following[:limit]
    entries, before = _entries(positions, shown)
    log_id = event_log().id
    body = {
        "id": root,
        "lines": _lines(entries, before),
        "events": [envelope(entry, log_id) for entry in entries],
        "next": shown[-1] if shown and shown[-1] < following[-1] else None,
        "position": last,
        "log_id": log_id,
    }
    if root != incident_id:
        body["requested_id"] = incident_id
    return body


def newest_lines(
    incident_id: str, limit: int, translate: narrative.Translate
) -> tuple[list[dict[str, Any]], bool]:
    """Return the lines of the newest events, and whether there are earlier ones.

    Raises UnknownIncident.
    """
    _root, _last, positions = _positions(incident_id)
    entries, before = _entries(positions, positions[-limit:])
    return _lines(entries, before, translate), len(positions) > limit


def _positions(incident_id: str) -> tuple[str, int, list[int]]:
    """Return the live incident, the log's last position, and those of its events."""
    with state_cache().now() as incidents:
        if incident_id not in incidents.state.by_id:
            raise UnknownIncident
        root = incidents.state.resolve(incident_id)
        last = incidents.position
        subjects = list(incidents.state.tree(root))
        stamps = [incidents.stamps[name] for name in subjects]
    positions = {p for stamp in stamps for p in stamp.related_positions}
    for of_one in event_log().positions_of(subjects):
        positions.update(of_one)
    return root, last, sorted(p for p in positions if p <= last)


Before = Mapping[int, RecordedEvent]  # by the position that follows


def _entries(
    positions: Sequence[int], shown: Sequence[int]
) -> tuple[list[RecordedEvent], Before]:
    """Return the events at `shown`, and the history's events just before each."""
    # The event before an opening link is the opening itself, perhaps on another page.
    first = {p - 1 for p in shown[:1]} & set(positions)
    found = event_log().get_many([*first, *shown])
    entries = [found[position] for position in shown if position in found]
    return entries, {position + 1: entry for position, entry in found.items()}


def _lines(
    entries: Sequence[RecordedEvent],
    before: Before,
    translate: narrative.Translate = str,
) -> list[dict[str, Any]]:
    """Return a line of each event; items have their current titles."""
    named: set[str | None] = set()
    for entry in entries:
        event = entry.event
        named |= {getattr(event, "item", None), explain.nearest(event)}
    items = sorted(name for name in named if name)
    titles = reader().read(detail_query.titles, items)
    return [
        narrative.line(entry, titles, before.get(entry.position), translate)
        for entry in entries
    ]


@blueprint.route("/<incident_id>/diff", methods=["GET"])
@require("read")
@blueprint.arguments(DiffQuerySchema, location="query")
@blueprint.response(200, DiffSchema)
def show_diff(query: dict[str, Any], incident_id: str) -> Response:
    """Compare an incident at two moments: items, labels, status, title, merges.

    Titles of items are the current ones.
    """
    return as_answer(diff_of(incident_id, query["since"], query.get("until")))


def diff_of(incident_id: str, since: str, until: str | None) -> dict[str, Any]:
    """Return the difference as data, see DiffSchema. Raises UnknownIncident."""
    cache = state_cache()
    after = cache.at(cache.position_of(until) if until else event_log().last())
    before = cache.at(cache.position_of(since))
    if incident_id not in before.state.by_id and incident_id not in after.state.by_id:
        raise UnknownIncident(after.position)
    states = (before, after)
    rows = reader().read(difference.rows, [(state, incident_id) for state in states])
    gained, lost = difference.keys_changed(before, after, incident_id)
    items = sorted({MentionId.parse(key).item for key in (*gained, *lost)})
    titles = reader().read(detail_query.titles, items)
    return difference.difference(incident_id, states, rows, titles)
