"""The front page: what is new since the last visit; for others, what this is."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from flask import Response, request

from incidentwire.web.problems import problem_of
from services.api import health as api_health
from services.api.dashboard import charts, ingest_client, queries
from services.api.dashboard.layout import allows, page, page_blueprint, render
from services.api.dashboard.numbers import whole_number
from services.api.errors import ReadModelUnavailable
from services.api.http import reader
from services.api.incidents import list_query

SEEN = "iw_seen"  # cookie: <position of the visit before>.<of this visit>.<Unix time>
VISIT_S = 1800  # requests within this time belong to one visit
YEAR_S = 365 * 24 * 3600
LATEST = 12

blueprint = page_blueprint("front")


@blueprint.get("/")
@page()
def show() -> Response:
    """Show what is new, or to people who may not read what this is."""
    if not allows("read"):
        return _welcome()
    try:
        found = reader().read(_facts, _seen()[0])
    except ReadModelUnavailable:
        return render("front_empty.html", 503)
    answer = render(
        "front.html", seen=seen_position(), feeds_failing=_feeds_failing(), **found
    )
    _keep_visit(answer, found["position"])
    return answer


def _facts(db: sqlite3.Connection, seen: int) -> dict[str, Any]:
    latest = list_query.page(db, {}, "updated", None, LATEST, with_items=False)
    return {
        "latest": latest.incidents,
        "position": latest.position,
        "news_count": queries.changed_since(db, seen),
        "incident_count": queries.counted(db),
        "review_count": sum(queries.waiting(db).values()),
        "chart": charts.stacked(queries.months(db)),
    }


def _welcome() -> Response:
    try:
        healthy = not api_health.check().reasons
    except Exception as error:
        if problem_of(error) is None:
            raise
        healthy = False
    return render("welcome.html", healthy=healthy)


def _feeds_failing() -> int | None:
    """Return how many feeds fail, None if the ingest service does not say."""
    try:
        reply = ingest_client.get("/v1/feeds", ingest_client.GLANCE)
    except ingest_client.IngestUnavailable:
        return None
    if reply.status != 200:
        return None
    return sum(feed["state"] in ("failing", "gone") for feed in reply.body["feeds"])


def seen_position() -> int | None:
    """Return the last position of the visit before this one; None at the first."""
    return _seen()[0] or None


def _seen() -> tuple[int, int, int]:
    parts = request.cookies.get(SEEN, "").split(".")
    numbers = [one for one in map(whole_number, parts) if one is not None]
    if len(parts) != 3 or len(numbers) != 3:
        return (0, 0, 0)
    before, this, at = numbers
    is_over = time.time() - at > VISIT_S
    return (this if is_over else before, this, at)


def _keep_visit(answer: Response, position: int) -> None:
    value = f"{_seen()[0]}.{position}.{int(time.time())}"
    answer.set_cookie(
        SEEN, value, YEAR_S, httponly=True, samesite="Lax", secure=request.is_secure
    )
