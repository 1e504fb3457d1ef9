"""Curators decide about incidents: status, opening, title, notes, merge, split, move, and undo.

Each command carries the version of the incident that the client saw. It becomes one
append request that only succeeds if nothing it was decided on has changed; otherwise it
is decided again, and refused if a person changed what the client saw. Decisions of the
linker make no version stale.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import g
from marshmallow import Schema

from incidentwire.incidents import decisions
from incidentwire.incidents.concurrency import append_request
from incidentwire.incidents.creation import create, created_id
from incidentwire.incidents.decisions import CommandRejected, NewEvents, check_version
from incidentwire.incidents.state import IncidentsState
from incidentwire.log.event_log import VersionConflict, Withdrawn
from incidentwire.web.auth import require
from services.api.errors import Busy, CommandConflict
from services.api.http import Blueprint, event_log
from services.api.incidents.command_schemas import (
    CommandSchema,
    DoneSchema,
    MergeSchema,
    MoveSchema,
    NewIncidentSchema,
    NoteSchema,
    SplitSchema,
    StatusSchema,
    TitleSchema,
)
from services.api.incidents.past import state_cache
from services.api.read_model.checkpoint import fold_until

TRIES = 10  # each failure means that somebody else's event was appended in between

Body = Mapping[str, Any]
Decide = Callable[[IncidentsState], NewEvents]

blueprint = Blueprint(
    "curation",
    __name__,
    url_prefix="/v1/incidents",
    description="Decisions of curators about incidents",
)


@dataclass(frozen=True, kw_only=True)
class Command:
    """A verb of the API: the schema of its body, and the decision.

    `decide(state, incident_id, body, who)` returns the events that follow, and raises
    CommandRejected. `doc` is the operation's description.
    """

    schema: type[Schema]
    decide: Callable[[IncidentsState, str, Body, str], NewEvents]
    doc: str


def _change_status(state: IncidentsState, name: str, body: Body, who: str) -> NewEvents:
    return decisions.change_status(
        state, name, body["status"], who, body["note"], body["version"]
    )


def _rename(state: IncidentsState, name: str, body: Body, who: str) -> NewEvents:
    return decisions.rename(
        state, name, body["title"], who, body["note"], body["version"]
    )


def _add_note(state: IncidentsState, name: str, body: Body, who: str) -> NewEvents:
    return decisions.add_note(state, name, body["note"], who, body["version"])


def _merge(state: IncidentsState, name: str, body: Body, who: str) -> NewEvents:
    versions = (body["version"], body["into_version"])
    return decisions.merge(state, name, body["into"], who, body["note"], versions)


def _unmerge(state: IncidentsState, name: str, body: Body, who: str) -> NewEvents:
    return decisions.unmerge(state, name, who, body["note"], body["version"])


def _split(state: IncidentsState, name: str, body: Body, who: str) -> NewEvents:
    return decisions.split(
        state, name, body["mentions"], who, body["note"], body["version"]
    )


def _unsplit(state: IncidentsState, name: str, body: Body, who: str) -> NewEvents:
    return decisions.unsplit(state, name, who, body["note"], body["version"])


def decide_move(state: IncidentsState, name: str, body: Body, who: str) -> NewEvents:
    source = check_version(state, name, body["version"])
    key: str = body["mention"]
    if "to" not in body:
        return decisions.split(state, source.id, [key], who, body["note"])
    if state.where(key) != source.id:
        raise CommandRejected(
            "not_found",
            f"{key} is not in {source.id}. "
            f"GET /v1/incidents/{source.id} lists its mentions.",
        )
    target = body["to"]
    return decisions.move(
        state, key, target["id"], who, body["note"], target["version"]
    )


COMMANDS: Mapping[str, Command] = {
    "status": Command(
        schema=StatusSchema,
        decide=_change_status,
        doc="Set the status: open, confirmed, resolved or dismissed.",
    ),
    "title": Command(
        schema=TitleSchema,
        decide=_rename,
        doc="Give the incident a title, which overrides those of its items.",
    ),
    "notes": Command(
        schema=NoteSchema,
        decide=_add_note,
        doc="Add a note to the incident's history.",
    ),
    "merge": Command(
        schema=MergeSchema,
        decide=_merge,
        doc="Redirect this incident to another, which then shows the items of both.",
    ),
    "unmerge": Command(
        schema=CommandSchema,
        decide=_unmerge,
        doc="Undo a merge. `version` is that of the incident that shows this id now.",
    ),
    "split": Command(
        schema=SplitSchema,
        decide=_split,
        doc="Move mentions to a new incident, whose id is the answer's `other`.",
    ),
    "unsplit": Command(
        schema=CommandSchema,
        decide=_unsplit,
        doc="Undo the split that made this incident: its mentions return.",
    ),
    "move": Command(
        schema=MoveSchema,
        decide=decide_move,
        doc="Move a mention to the incident named `to`, or without it to a new one.",
    ),
}


@blueprint.route("", methods=["POST"])
@require("curate")
@blueprint.arguments(NewIncidentSchema)
@blueprint.response(201, DoneSchema)
def open_incident(body: dict[str, Any]) -> dict[str, Any]:
    """Open an incident before any item reports it; mentions can be moved into it."""
    who: str = g.who
    new = created_id(next(iter(body["same_as"]), secrets.token_hex(16)))
    return execute(
        new,
        lambda state: create(
            state, new, body["title"], who, body["same_as"], body["note"]
        ),
    )


def _add_route(verb: str, command: Command) -> None:
    def view(body: dict[str, Any], incident_id: str) -> dict[str, Any]:
        who: str = g.who
        return execute(
            incident_id, lambda state: command.decide(state, incident_id, body, who)
        )

    view.__name__ = verb
    view.__doc__ = command.doc
    described = blueprint.response(200, DoneSchema)(view)
    parsed = blueprint.arguments(command.schema)(described)
    guarded = require("curate")(parsed)
    blueprint.route(f"/<incident_id>/{verb}", methods=["POST"])(guarded)


for _verb, _command in COMMANDS.items():
    _add_route(_verb, _command)


# -- execution -------------------------------------------------------------------------


def execute(incident_id: str, decide: Decide) -> dict[str, Any]:
    """Decide on the state at the head of the log and append the events.

    If something was appended in between, decide again. Raises CommandConflict for a
    rejected command, Busy after TRIES attempts.
    """
    log = event_log()
    with state_cache().now() as incidents:
        for _ in range(TRIES):
            try:
                facts = decide(incidents.state)
            except CommandRejected as rejection:
                raise _conflict(rejection, incidents.state, incident_id) from None
            request = append_request(incidents.state, incidents.version_of, facts)
            result = log.append_many([request])[0]
            if isinstance(result, Withdrawn):
                raise result  # incidents are never withdrawn
            if isinstance(result, VersionConflict) or not result.new:
                state_cache().catch_up()
                continue
            fold_until(incidents, log, result.last)
            return _done(incidents.state, incident_id, facts, result.last)
    raise Busy("incident")


def _done(
    state: IncidentsState, incident_id: str, facts: NewEvents, position: int
) -> dict[str, Any]:
    """Return the answer: the incidents right after the command."""
    now = state.get(incident_id)
    mentioned = [
        name
        for subject, event in facts
        for name in (subject, getattr(event, "into", ""))
        if name
    ]
    others = [
        name for name in dict.fromkeys(mentioned) if state.resolve(name) != now.id
    ]
    return {
        "id": now.id,
        "position": position,
        "version": now.version,
        "status": now.status,
        "title": now.title,
        "other": others[0] if others else None,
        "other_version": state.get(others[0]).version if others else None,
    }


def _conflict(
    rejection: CommandRejected, state: IncidentsState, incident_id: str
) -> CommandConflict:
    more: dict[str, Any] = {}
    if incident_id in state.by_id:
        now = state.get(incident_id)
        more = {"id": now.id, "version": now.version}
    return CommandConflict(rejection.reason, str(rejection), more)
