"""An incident's history in lines that people can read, and what changed between two moments. Pure but for the views."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flask import Response, current_app

from incidentwire import events as e
from incidentwire.labels import MentionId
from incidentwire.log.cloudevents import envelope, rfc3339
from incidentwire.log.event_log import EventLog
from incidentwire.log.recorded_event import RecordedEvent
from incidentwire.web.auth import require
from services.api.http import Blueprint
from services.api.incidents import detail_query, explain
from services.api.incidents.schemas import DiffQuerySchema, DiffSchema, HistorySchema
from services.api.incidents.views import memory, unknown
from services.api.items.views import ReadQuerySchema, as_answer, reader, wait_for
from services.api.read_model import incident_rows
from services.api.read_model.incident_rows import INCIDENTS
from services.api.read_model.incident_state import IncidentProjection

SHOWN = ("title", "status", "labels")  # of an incident's row, in what changed
Titles = Mapping[str, str]

blueprint = Blueprint(
    "incident_history",
    __name__,
    url_prefix="/v1/incidents",
    description="Incidents through time",
)


@blueprint.route("/<incident_id>/history", methods=["GET"])
@require("read")
@blueprint.arguments(ReadQuerySchema, location="query")
@blueprint.response(200, HistorySchema)
def show_history(query: dict[str, Any], incident_id: str) -> Response:
    """What happened to an incident, and to those that are merged into it: as lines and as events, the oldest first."""
    wait_for(query.get("min_position"))
    log = EventLog(current_app.extensions["incidentwire.connection"])
    with memory().now() as happenings:
        if incident_id not in happenings.state.by_id:
            raise unknown()
        root, last = happenings.state.resolve(incident_id), happenings.position
        subjects = list(happenings.state.tree(root))
        elsewhere = {
            p for name in subjects for p in happenings.stamps[name].related_positions
        }
    found = {
        entry.position: entry
        for history in log.histories(subjects)
        for entry in history
    }
    found.update(log.get_many(elsewhere - found.keys()))
    entries = [found[position] for position in sorted(found) if position <= last]
    named = _items(entries) | {
        item for entry in entries if (item := explain.nearest(entry.event))
    }
    titles = reader().read(detail_query.titles, sorted(named))
    body = {
        "id": root,
        "lines": [
            line(entry, titles, found.get(entry.position - 1)) for entry in entries
        ],
        "events": [envelope(entry, log.id) for entry in entries],
        "position": last,
        "log_id": log.id,
    }
    return as_answer(
        body | ({"requested_id": incident_id} if root != incident_id else {})
    )


@blueprint.route("/<incident_id>/diff", methods=["GET"])
@require("read")
@blueprint.arguments(DiffQuerySchema, location="query")
@blueprint.response(200, DiffSchema)
def show_diff(query: dict[str, Any], incident_id: str) -> Response:
    """What changed between two moments: items, labels, status, title, merges. Titles are those that are kept now."""
    log = EventLog(current_app.extensions["incidentwire.connection"])
    until = memory().position_of(query["until"]) if "until" in query else log.last()
    before, after = (
        memory().at(memory().position_of(query["since"])),
        memory().at(until),
    )
    if incident_id not in before.state.by_id and incident_id not in after.state.by_id:
        raise unknown(after)
    rows = reader().read(_rows, [(before, incident_id), (after, incident_id)])
    gained, lost = _keys_changed(before, after, incident_id)
    titles = reader().read(
        detail_query.titles,
        sorted({MentionId.parse(key).item for key in (*gained, *lost)}),
    )
    return as_answer(difference(incident_id, (before, after), rows, titles))


# -- lines ---------------------------------------------------------------------------------------------------------


def line(
    entry: RecordedEvent, titles: Titles, before: RecordedEvent | None = None
) -> dict[str, Any]:
    """One event as people read it; `before` is the one at the position before, where it is of this history too."""
    event = entry.event
    reasons = []
    if (
        isinstance(event, e.IncidentItemLinked)
        and not event.who
        and not explain.is_opening(event, before)
    ):
        reasons = explain.sentences(event, titles)
    return {
        "position": entry.position,
        "time": rfc3339(entry.time_ms),
        "type": event.type,
        "who": getattr(event, "who", None),
        "text": words(event, entry.subject, titles)
        + (": " + ", ".join(reasons) if reasons else ""),
        "note": getattr(event, "note", "") or None,
        "subject": entry.subject,
    }


def words(event: e.Event, subject: str, titles: Titles) -> str:
    """What an event says, in a sentence without its full stop."""
    match event:
        case e.IncidentOpened():
            return f"opened by {_called(event.item, titles)}"
        case e.IncidentItemLinked():
            doubt = ", with doubts: see its review" if event.review else ""
            how = "put here" if event.who else f"linked with score {event.score:.2f}"
            return f"{_called(event.item, titles)} was {how}{doubt}"
        case e.IncidentItemUnlinked():
            return f"{_called(event.item, titles)} left: {event.reason}"
        case e.IncidentMerged():
            return f"{subject} was merged into {event.into}"
        case e.IncidentUnmerged():
            return f"the merge of {subject} into {event.into} was undone"
        case e.IncidentSplit(undone=True):
            return f"the split of {event.into} from {subject} was undone: {_count(event.mentions)} went back"
        case e.IncidentSplit():
            return f"{_count(event.mentions)} left {subject} for the new incident {event.into}"
        case e.IncidentStatusChanged():
            return f"status changed from {event.old} to {event.new}"
        case e.IncidentRenamed():
            return f"named “{event.new}”" + (
                f", before “{event.old}”" if event.old else ""
            )
        case e.IncidentNoted():
            return f"noted: {event.note}"
        case _:
            return event.type


def _called(item: str, titles: Titles) -> str:
    return f"“{titles[item]}”" if item in titles else item


def _count(mentions: Sequence[str]) -> str:
    return "1 mention" if len(mentions) == 1 else f"{len(mentions)} mentions"


def _items(entries: Iterable[RecordedEvent]) -> set[str]:
    return {item for entry in entries if (item := getattr(entry.event, "item", None))}


# -- what changed --------------------------------------------------------------------------------------------------


def difference(
    name: str,
    states: tuple[IncidentProjection, IncidentProjection],
    rows: Sequence[Mapping[str, Any] | None],
    titles: Titles,
) -> dict[str, Any]:
    """The answer to GET …/diff. A row is None where there was no incident yet."""
    before, after = states
    gained, lost = _keys_changed(before, after, name)
    merged_before, merged_after = _merged(before, name), _merged(after, name)
    changes = {
        field: {"before": _shown(rows[0], field), "after": _shown(rows[1], field)}
        for field in SHOWN
        if _shown(rows[0], field) != _shown(rows[1], field)
    }
    items_before, items_after = _items_of(before, name), _items_of(after, name)
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
    return body | {"lines": _said(body, titles)}


def _said(body: Mapping[str, Any], titles: Titles) -> list[str]:
    """What changed, in words."""
    root = body["shown_as"]
    lines = [
        f"it is shown as {root['after']}, before as {root['before'] or 'nothing yet'}"
    ]
    lines = lines if root["before"] != root["after"] else []
    lines += [f"gained {_called(item['id'], titles)}" for item in body["items_gained"]]
    lines += [f"lost {_called(item['id'], titles)}" for item in body["items_lost"]]
    lines += [f"{name} was merged into it" for name in body["merged_gained"]]
    lines += [f"{name} is no longer merged into it" for name in body["merged_lost"]]
    for field, change in body["changes"].items():
        lines.append(f"{field}: {_plain(change['before'])} → {_plain(change['after'])}")
    return lines


def _plain(value: Any) -> str:
    return (
        ", ".join(value) or "none"
        if isinstance(value, list)
        else str(value)
        if value is not None
        else "none"
    )


def _rows(
    db: Any, asked: Sequence[tuple[IncidentProjection, str]]
) -> list[dict[str, Any] | None]:
    found: list[dict[str, Any] | None] = []
    for happenings, name in asked:
        root = _root(happenings, name)
        rows = incident_rows.rows(db, happenings, [root]) if root else []
        found.append(dict(zip(INCIDENTS, rows[0], strict=True)) if rows else None)
    return found


def _shown(row: Mapping[str, Any] | None, field: str) -> Any:
    value = row[field] if row else None
    return json.loads(value) if field == "labels" and value is not None else value


def _root(happenings: IncidentProjection, name: str) -> str | None:
    return happenings.state.resolve(name) if name in happenings.state.by_id else None


def _members(happenings: IncidentProjection, name: str) -> tuple[str, ...]:
    root = _root(happenings, name)
    return happenings.state.members(root) if root else ()


def _items_of(happenings: IncidentProjection, name: str) -> list[str]:
    return list(
        dict.fromkeys(MentionId.parse(key).item for key in _members(happenings, name))
    )


def _merged(happenings: IncidentProjection, name: str) -> list[str]:
    root = _root(happenings, name)
    return list(happenings.state.tree(root))[1:] if root else []


def _keys_changed(
    before: IncidentProjection, after: IncidentProjection, name: str
) -> tuple[list[str], list[str]]:
    then, now = _members(before, name), _members(after, name)
    return [key for key in now if key not in set(then)], [
        key for key in then if key not in set(now)
    ]
