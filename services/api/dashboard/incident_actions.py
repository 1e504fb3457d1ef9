"""Forms by which curators decide about incidents: they run the commands of the API."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from typing import Any

from flask import Response, g, request

from incidentwire import events as e
from incidentwire.web.problems import FieldError, Problem, invalid_fields
from services.api.dashboard import queries
from services.api.dashboard.language import translate as _
from services.api.dashboard.layout import (
    go_to,
    local_path,
    page,
    page_blueprint,
    render,
)
from services.api.dashboard.numbers import whole_number
from services.api.errors import CommandConflict, UnknownIncident
from services.api.http import event_log, reader
from services.api.incidents import detail_query
from services.api.incidents.commands import COMMANDS, execute

_ID = re.compile(r"(?:.*/incidents/)?([A-Za-z0-9_-]{1,64})(?:[?#/].*)?", re.DOTALL)
NUMBERS = ("version", "into_version")
LISTS = ("mentions",)
PREVIEWED = 50  # items

blueprint = page_blueprint("incident_actions")


@blueprint.get("/incidents/<incident_id>/merge")
@page("curate")
def preview_merge(incident_id: str) -> Response:
    """Show what a merge would make, before it is decided."""
    into = id_of(request.args.get("into", ""))
    found = reader().read(_both, incident_id, into)
    if found["source"] is None or found["target"] is None:
        raise UnknownIncident
    if found["source"]["id"] == found["target"]["id"]:
        message = _("Both are the same incident. Name another one.")
        raise Problem(status=409, slug="already-there", detail=message)
    return render("merge.html", **found)


@blueprint.post("/incidents/<incident_id>/<verb>")
@page("curate")
def decide(incident_id: str, verb: str) -> Response:
    """Run a command and show the incident; a refusal shows what was written again."""
    command = COMMANDS.get(verb)
    if command is None:
        raise UnknownIncident
    body: dict[str, Any] = dict(command.schema().load(_body(verb)))
    who: str = g.who
    try:
        done = execute(
            incident_id, lambda state: command.decide(state, incident_id, body, who)
        )
    except CommandConflict as conflict:
        before = _decided_before(incident_id, verb, body)
        return before or _refused(incident_id, verb, conflict)
    here = f"/incidents/{done['id']}"
    return go_to(
        local_path(request.form.get("then", ""), here),
        done=verb,
        other=incident_id if verb == "merge" else done["other"],
        min_position=done["position"],
    )


def id_of(text: str) -> str:
    """Return the incident id of a pasted link or id. Raises Problem 422."""
    found = _ID.fullmatch(text.strip()[:2_000])
    if found is None:
        message = _("Paste the link or the id of an incident.")
        raise invalid_fields([FieldError(field="into", message=message)])
    return found[1]


def _body(verb: str) -> dict[str, Any]:
    """Return the form as the body of the command."""
    body: dict[str, Any] = {}
    for name in request.form:
        if name in ("csrf", "then"):
            continue
        value = request.form[name]
        number = whole_number(value) if name in NUMBERS else None
        if number is not None:
            body[name] = number
        else:
            body[name] = request.form.getlist(name) if name in LISTS else value
    if verb == "merge":
        body["into"] = id_of(str(body.get("into", "")))
    if verb == "move":
        _name_target(body)
    return body


def _name_target(body: dict[str, Any]) -> None:
    """Replace the pasted link by the target and the version that it has now."""
    link = str(body.pop("to", "")).strip()
    if not link:
        return
    target = reader().read(detail_query.one, id_of(link), None, 1)
    if target is None:
        raise UnknownIncident
    body["to"] = {"id": target["id"], "version": target["version"]}


def _both(db: sqlite3.Connection, source: str, into: str) -> dict[str, Any]:
    found = {
        "source": detail_query.one(db, source, None, PREVIEWED),
        "target": detail_query.one(db, into, None, PREVIEWED),
    }
    source_now = found["source"]
    target_now = found["target"]
    labels = []
    if source_now and target_now:
        labels = [
            label
            for label in queries.LABELS
            if label in (*source_now["labels"], *target_now["labels"])
        ]
    return {**found, "labels": labels}


def _field_names() -> Mapping[str, str]:
    """Return the names of the fields as the forms show them."""
    return {
        "into": _("Link or id of the other incident"),
        "mention": _("Report"),
        "mentions": _("Report"),
        "note": _("Note, kept for good"),
        "status": _("Status"),
        "title": _("Title"),
        "to": _("Link or id of the other incident"),
    }


def _decided_before(
    incident_id: str, verb: str, body: Mapping[str, Any]
) -> Response | None:
    """Return the page after the decision if the form was sent twice, else None.

    The last decision of a person about the incident is then this one, by the same person.
    """
    history = event_log().history(incident_id)
    decided = [entry for entry in history if getattr(entry.event, "who", None)]
    if not decided or getattr(decided[-1].event, "who", None) != g.who:
        return None
    position = decided[-1].position
    event = decided[-1].event
    target = incident_id
    other = None
    match event:
        case e.IncidentStatusChanged():
            is_same = verb == "status" and event.new == body["status"]
        case e.IncidentRenamed():
            is_same = verb == "title" and event.new == body["title"]
        case e.IncidentNoted():
            is_same = verb == "notes" and event.note == body["note"]
        case e.IncidentMerged():
            is_same = verb == "merge" and event.into == body["into"]
            target = event.into
            other = incident_id
        case e.IncidentSplit(undone=False):
            is_same = verb == "split" and set(event.mentions) == set(body["mentions"])
            other = event.into
        case _:
            return None
    if not is_same:
        return None
    return go_to(f"/incidents/{target}", done=verb, other=other, min_position=position)


def _refused(incident_id: str, verb: str, conflict: CommandConflict) -> Response:
    """Return the page that explains a refusal and keeps what was written."""
    kept = [
        (name, value)
        for name, value in request.form.items(multi=True)
        if name not in ("csrf", "version", "into_version")
    ]
    return render(
        "refused.html",
        409,
        incident_id=conflict.more.get("id", incident_id),
        verb=verb,
        detail=str(conflict),
        version=conflict.more.get("version"),
        kept=kept,
        names=_field_names(),
    )
