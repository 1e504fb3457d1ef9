"""The incidents over HTTP: the list with its filters, one incident with its passages, its history, what changed."""

from __future__ import annotations

from typing import Any, cast

from flask import Response, current_app

from incidentwire.log.event_log import EventLog
from incidentwire.web.auth import require
from incidentwire.web.problems import Problem
from services.api.http import Blueprint
from services.api.incidents import detail_query, explain, list_query
from services.api.incidents.list_query import IncidentPage
from services.api.incidents.schemas import (
    IncidentDetailSchema,
    IncidentPageSchema,
    ListQuerySchema,
    ShowQuerySchema,
)
from services.api.incidents.state_cache import StateCache
from services.api.items.views import as_answer, reader, wait_for
from services.api.read_model.incident_state import IncidentProjection

FILTERS = ("label", "status", "entity", "source", "q")

blueprint = Blueprint(
    "incidents",
    __name__,
    url_prefix="/v1",
    description="The happenings that items tell of",
)


@blueprint.route("/incidents", methods=["GET"])
@require("read")
@blueprint.arguments(ListQuerySchema, location="query")
@blueprint.response(200, IncidentPageSchema)
def list_incidents(query: dict[str, Any]) -> Response:
    """List incidents; ids that redirect are left out, those that were closed or dismissed are not."""
    wait_for(query.get("min_position"))
    after = _after(query["cursor"], query["sort"]) if "cursor" in query else None
    page = find(query, query["sort"], after, query["limit"])
    following = (
        f"{query['sort']}.{page.after[0]}.{page.after[1]}" if page.after else None
    )
    return as_answer({
        "incidents": page.incidents, "next": following, "position": page.position, "log_id": page.log_id
    })  # fmt: skip


@blueprint.route("/incidents/<incident_id>", methods=["GET"])
@require("read")
@blueprint.arguments(ShowQuerySchema, location="query")
@blueprint.response(200, IncidentDetailSchema)
def show_incident(query: dict[str, Any], incident_id: str) -> Response:
    """One incident with its items and the very passages. A merged id answers with the incident it redirects to."""
    wait_for(query.get("min_position"))
    past = as_of(query)
    found = reader().read(
        detail_query.one, incident_id, query["offset"], query["limit"], past
    )
    if found is None:
        raise unknown(past)
    log = EventLog(current_app.extensions["incidentwire.connection"])
    explain.explain(found["items"], found["id"], log, reader())
    answer = as_answer(found)
    if "redirected_from" in found:
        answer.headers["Content-Location"] = f"/v1/incidents/{found['id']}"
    return answer


def _after(cursor: str, sort: str) -> tuple[str, int]:
    """The sort key and n after which the page begins. Raises Problem 409 for a cursor of another order."""
    of, _, rest = cursor.partition(".")
    if of != sort:
        detail = f"the cursor is of a list with sort={of}, not {sort}: keep sort and filters as they were"
        raise Problem(status=409, slug="cursor-of-another-list", detail=detail)
    key, _, n = rest.rpartition(".")
    return key, int(n)


def find(
    query: dict[str, Any], sort: str, after: tuple[str, int] | None, limit: int
) -> IncidentPage:
    """A page of the incidents that a FilterSchema asks for."""
    return reader().read(
        list_query.page, filters(query), sort, after, limit, as_of(query)
    )


def filters(query: dict[str, Any]) -> dict[str, Any]:
    """What a FilterSchema asks for, as incident_query has it."""
    asked = {name: query[name] for name in FILTERS if name in query}
    for name, key in (("from", "since"), ("to", "until")):
        if key in query:
            asked[name] = query[key].isoformat()
    return asked


def as_of(query: dict[str, Any]) -> IncidentProjection | None:
    """The incidents at the moment asked for; None where that is now."""
    moment = query.get("as_of")
    return memory().at(memory().position_of(moment)) if moment is not None else None


def memory() -> StateCache:
    return cast("StateCache", current_app.extensions["incidentwire.memory"])


def unknown(past: IncidentProjection | None = None) -> Problem:
    when = f" at position {past.position}" if past else ""
    return Problem(
        status=404, slug="unknown-incident", detail=f"no incident has this id{when}"
    )
