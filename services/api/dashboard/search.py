"""One search box: incidents and items with these words, together on a page."""

from __future__ import annotations

import sqlite3
from typing import Any

from flask import Response, request

from services.api.dashboard.layout import page, page_blueprint, render
from services.api.http import reader
from services.api.incidents import list_query
from services.api.incidents.schemas import ListQuerySchema
from services.api.items import queries as item_queries

PER_KIND = 15

blueprint = page_blueprint("search")


@blueprint.get("/search")
@page("read")
def show() -> Response:
    """Show the incidents and items that have the words."""
    q = request.args.get("q", "").strip()
    found: dict[str, Any] = {"incidents": [], "items": []}
    if q:
        ListQuerySchema(only=("q",)).load({"q": q})
        found = reader().read(_find, q)
    return render("search.html", q=q, **found)


def _find(db: sqlite3.Connection, q: str) -> dict[str, Any]:
    incidents = list_query.page(db, {"q": q}, "last_report", None, PER_KIND)
    items = item_queries.page(db, {"q": q}, PER_KIND, None)
    return {"incidents": incidents.incidents, "items": items.items}
