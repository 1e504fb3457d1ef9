"""The incidents over HTTP: the list with its filters, and one incident in full."""

from __future__ import annotations

from typing import Any

from flask import Response

from incidentwire.web.auth import require
from services.api.errors import CursorOfAnotherList, UnknownIncident
from services.api.http import (
    Blueprint,
    as_answer,
    event_log,
    filters_of,
    reader,
    wait_for,
)
from services.api.incidents import detail_query, explain, list_query, newest
from services.api.incidents.past import as_of
from services.api.incidents.schemas import (
    IncidentDetailSchema,
    IncidentPageSchema,
    ListQuerySchema,
    ShowQuerySchema,
)

blueprint = Blueprint(
    "incidents",
    __name__,
    url_prefix="/v1",
    description="The incidents that items report",
)


@blueprint.route("/incidents", methods=["GET"])
@require("read")
@blueprint.arguments(ListQuerySchema, location="query")
@blueprint.response(200, IncidentPageSchema)
def list_incidents(query: dict[str, Any]) -> Response:
    """List incidents, including closed and dismissed ones but not redirecting ids."""
    wait_for(query.get("min_position"))
    sort: str = query["sort"]
    after = _after(query["cursor"], sort) if "cursor" in query else None
    asked = filters_of(query)
    past = as_of(query)
    if past is None:
        page = reader().read(newest.page, asked, sort, after, query["limit"])
    else:
        page = reader().read(list_query.page, asked, sort, after, query["limit"], past)
    following = f"{sort}.{page.after[0]}.{page.after[1]}" if page.after else None
    return as_answer(
        {
            "incidents": page.incidents,
            "is_exact": page.is_exact,
            "next": following,
            "position": page.position,
            "log_id": page.log_id,
        }
    )


@blueprint.route("/incidents/<incident_id>", methods=["GET"])
@require("read")
@blueprint.arguments(ShowQuerySchema, location="query")
@blueprint.response(200, IncidentDetailSchema)
def show_incident(query: dict[str, Any], incident_id: str) -> Response:
    """Show one incident with a page of its items and their passages.

    A merged id answers with the incident it redirects to. `next_items` continues the
    items.
    """
    wait_for(query.get("min_position"))
    past = as_of(query)
    cursor = detail_query.parse_cursor(query.get("cursor"))
    found = reader().read(detail_query.one, incident_id, cursor, query["limit"], past)
    if found is None:
        raise UnknownIncident(past.position if past else None)
    explain.explain(found["items"], found["id"], event_log(), reader())
    answer = as_answer(found)
    if "requested_id" in found:
        answer.headers["Content-Location"] = f"/v1/incidents/{found['id']}"
    return answer


def _after(cursor: str, sort: str) -> tuple[str, int]:
    """Return the sort key and n of a cursor. Raises CursorOfAnotherList."""
    of, _, rest = cursor.partition(".")
    if of != sort:
        raise CursorOfAnotherList(of, sort)
    key, _, n = rest.rpartition(".")
    return key, int(n)
