"""An incident through time over HTTP: its history, and what changed between two moments."""

from __future__ import annotations

from typing import Any

from flask import Response

from incidentwire.labels import MentionId
from incidentwire.log.cloudevents import envelope
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


def history_of(
    incident_id: str,
    after: int,
    limit: int,
    translate: narrative.Translate = str,
    *,
    newest: bool = False,
) -> dict[str, Any]:
    """Return the history as data, see HistorySchema. Raises UnknownIncident.

    With `newest`, its last `limit` events instead of the first.
    """
    log = event_log()
    with state_cache().now() as incidents:
        if incident_id not in incidents.state.by_id:
            raise UnknownIncident
        root = incidents.state.resolve(incident_id)
        last = incidents.position
        subjects = list(incidents.state.tree(root))
        stamps = [incidents.stamps[name] for name in subjects]
    positions = {p for stamp in stamps for p in stamp.related_positions}
    positions.update(p for of_one in log.positions_of(subjects) for p in of_one)
    following = sorted(p for p in positions if after < p <= last)
    shown = following[-limit:] if newest else following[:limit]
    # The event before an opening link is the opening itself, perhaps on another page.
    before = {p - 1 for p in shown[:1]} & positions
    found = log.get_many([*before, *shown])
    entries = [found[position] for position in shown if position in found]
    log_id = log.id
    named = {getattr(entry.event, "item", None) for entry in entries}
    named |= {explain.nearest(entry.event) for entry in entries}
    items = sorted(name for name in named if name)
    titles = reader().read(detail_query.titles, items)
    body = {
        "id": root,
        "lines": [
            narrative.line(entry, titles, found.get(entry.position - 1), translate)
            for entry in entries
        ],
        "events": [envelope(entry, log_id) for entry in entries],
        "next": shown[-1] if shown and shown[-1] < following[-1] else None,
        "position": last,
        "log_id": log_id,
    }
    if root != incident_id:
        body["requested_id"] = incident_id
    return body


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
