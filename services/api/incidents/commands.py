"""People decide about incidents: status, title, notes, merge, split, move, and the undoing of these.

Each command carries the version of the incident that was seen, and becomes one unit of the log that stands only if
nothing it was decided on has changed meanwhile; else it is decided again, and refused where people changed what was
seen. What the linker does makes no version stale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import current_app, g

from incidentwire.incidents import decisions as decisions
from incidentwire.incidents.concurrency import append_request
from incidentwire.incidents.decisions import (
    CommandRejected,
    NewEvents,
    check_version,
)
from incidentwire.incidents.state import IncidentsState
from incidentwire.log.event_log import (
    EventLog,
    VersionConflict,
    Withdrawn,
)
from incidentwire.web.auth import require
from incidentwire.web.problems import Problem
from services.api.http import Blueprint
from services.api.incidents.command_schemas import (
    CommandSchema,
    DoneSchema,
    MergeSchema,
    MoveSchema,
    NoteSchema,
    SplitSchema,
    StatusSchema,
    TitleSchema,
)
from services.api.incidents.views import memory
from services.api.read_model.checkpoint import fold_until

TRIES = 10  # each loss means that somebody else's event was appended in between

STATUS = {
    "not_found": 404,
    "bad_status": 422,
}  # every other refusal is a conflict with how things stand

Decide = Callable[[IncidentsState], NewEvents]

blueprint = Blueprint(
    "curation",
    __name__,
    url_prefix="/v1/incidents",
    description="People decide about incidents",
)


@blueprint.route("/<incident_id>/status", methods=["POST"])
@require("curate")
@blueprint.arguments(StatusSchema)
@blueprint.response(200, DoneSchema)
def change_status(body: dict[str, Any], incident_id: str) -> dict[str, Any]:
    """Say how an incident stands: open, confirmed, resolved or dismissed."""
    who, note, seen = g.who, body["note"], body["version"]
    return execute(
        incident_id,
        lambda state: decisions.change_status(
            state, incident_id, body["status"], who, note, seen
        ),
    )


@blueprint.route("/<incident_id>/title", methods=["POST"])
@require("curate")
@blueprint.arguments(TitleSchema)
@blueprint.response(200, DoneSchema)
def rename(body: dict[str, Any], incident_id: str) -> dict[str, Any]:
    """Give an incident a title; it stands over those of its items."""
    who, note, seen = g.who, body["note"], body["version"]
    return execute(
        incident_id,
        lambda state: decisions.rename(
            state, incident_id, body["title"], who, note, seen
        ),
    )


@blueprint.route("/<incident_id>/notes", methods=["POST"])
@require("curate")
@blueprint.arguments(NoteSchema)
@blueprint.response(200, DoneSchema)
def remark(body: dict[str, Any], incident_id: str) -> dict[str, Any]:
    """Add a note to an incident's history."""
    who = g.who
    return execute(
        incident_id,
        lambda state: decisions.add_note(
            state, incident_id, body["note"], who, body["version"]
        ),
    )


@blueprint.route("/<incident_id>/merge", methods=["POST"])
@require("curate")
@blueprint.arguments(MergeSchema)
@blueprint.response(200, DoneSchema)
def merge(body: dict[str, Any], incident_id: str) -> dict[str, Any]:
    """Let this incident redirect to another, which shows the items of both."""
    who, seen = g.who, (body["version"], body["into_version"])
    return execute(
        incident_id,
        lambda state: decisions.merge(
            state, incident_id, body["into"], who, body["note"], seen
        ),
    )


@blueprint.route("/<incident_id>/unmerge", methods=["POST"])
@require("curate")
@blueprint.arguments(CommandSchema)
@blueprint.response(200, DoneSchema)
def unmerge(body: dict[str, Any], incident_id: str) -> dict[str, Any]:
    """Let a merged id be itself again. `version` is that of the incident that shows it now."""
    who, note, seen = g.who, body["note"], body["version"]
    return execute(
        incident_id,
        lambda state: decisions.unmerge(state, incident_id, who, note, seen),
    )


@blueprint.route("/<incident_id>/split", methods=["POST"])
@require("curate")
@blueprint.arguments(SplitSchema)
@blueprint.response(200, DoneSchema)
def split(body: dict[str, Any], incident_id: str) -> dict[str, Any]:
    """Let mentions leave for a new incident, whose id is the answer's `other`."""
    who, note, seen = g.who, body["note"], body["version"]
    return execute(
        incident_id,
        lambda state: decisions.split(
            state, incident_id, body["mentions"], who, note, seen
        ),
    )


@blueprint.route("/<incident_id>/unsplit", methods=["POST"])
@require("curate")
@blueprint.arguments(CommandSchema)
@blueprint.response(200, DoneSchema)
def unsplit(body: dict[str, Any], incident_id: str) -> dict[str, Any]:
    """Let the mentions with which this incident was split off go back where they were."""
    who, note, seen = g.who, body["note"], body["version"]
    return execute(
        incident_id,
        lambda state: decisions.unsplit(state, incident_id, who, note, seen),
    )


@blueprint.route("/<incident_id>/move", methods=["POST"])
@require("curate")
@blueprint.arguments(MoveSchema)
@blueprint.response(200, DoneSchema)
def move(body: dict[str, Any], incident_id: str) -> dict[str, Any]:
    """Move a mention from this incident to the one named `to`, or to one of its own where none is named."""
    who = g.who
    return execute(incident_id, lambda state: moved(state, incident_id, body, who))


def moved(
    state: IncidentsState, incident_id: str, body: dict[str, Any], who: str
) -> NewEvents:
    """The facts of a MoveSchema."""
    source, key, note = (
        check_version(state, incident_id, body["version"]),
        body["mention"],
        body["note"],
    )
    if "to" not in body:
        return decisions.split(state, source.id, [key], who, note)
    if state.where(key) != source.id:
        raise CommandRejected(
            "not_found",
            f"{key} is not in {source.id}: GET /v1/incidents/{source.id} names its mentions",
        )
    return decisions.move(
        state, key, body["to"]["id"], who, note, body["to"]["version"]
    )


# -- carrying out --------------------------------------------------------------------------------------------------


def execute(incident_id: str, decide: Decide) -> dict[str, Any]:
    """Decide on the state at the head of the log and append what follows, again where something came in between.
    Raises Problem for what is refused."""
    log = EventLog(current_app.extensions["incidentwire.connection"])
    with memory().now() as happenings:
        for _ in range(TRIES):
            try:
                facts = decide(happenings.state)
            except CommandRejected as refusal:
                raise _problem(refusal, happenings.state, incident_id) from None
            request = append_request(happenings.state, happenings.version_of, facts)
            result = log.append_many([request])[0]
            if isinstance(result, Withdrawn):
                raise result  # incidents are never withdrawn
            if isinstance(result, VersionConflict) or not result.new:
                memory().catch_up()
                continue
            fold_until(happenings, log, result.last)
            return _done(happenings.state, incident_id, facts, result.last)
    raise Problem(
        status=503,
        slug="busy",
        detail="the incident changes too fast: try again",
        retry_after_s=1,
    )


def _done(
    state: IncidentsState, incident_id: str, facts: NewEvents, position: int
) -> dict[str, Any]:
    """Where things stand right after the command."""
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


def _problem(
    refusal: CommandRejected, state: IncidentsState, incident_id: str
) -> Problem:
    now = state.get(incident_id) if incident_id in state.by_id else None
    more = {"id": now.id, "version": now.version} if now else {}
    status = STATUS.get(refusal.reason, 409)
    return Problem(
        status=status,
        slug=refusal.reason.replace("_", "-"),
        detail=str(refusal),
        more=more,
    )
