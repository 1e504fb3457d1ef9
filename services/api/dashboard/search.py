"""One search box: incidents and items in the filter language, with the hits in the text."""

from __future__ import annotations

import sqlite3
from typing import Any

from flask import Response, request

from services.api.dashboard.highlight import segments
from services.api.dashboard.layout import page, page_blueprint, render
from services.api.filters.parser import MAX_CHARS, FilterError, Node, parse
from services.api.http import reader
from services.api.search import queries

PER_KIND = 15

blueprint = page_blueprint("search")


@blueprint.get("/search")
@page("read")
def show() -> Response:
    """Show the incidents and items that satisfy the query, the most relevant first.

    A query that cannot be parsed is shown again with the place that is wrong.
    """
    q = request.args.get("q", "").strip()
    if not q:
        return render("search.html", q="")
    try:
        query = parse(q.replace("\x00", " "))
    except FilterError as error:
        place = error.position + 1
        shown = q[:MAX_CHARS]
        return render("search.html", 422, q=shown, wrong=error.message, place=place)
    found = reader().read(_find, query)
    return render("search.html", q=q, **found)


def _find(db: sqlite3.Connection, query: Node) -> dict[str, Any]:
    incidents = queries.incidents(db, query, PER_KIND, None, with_facets=False)
    items = queries.items(db, query, PER_KIND, None, with_facets=False)
    return {
        "incidents": [_shown(hit) for hit in incidents.hits],
        "items": [_shown(hit) for hit in items.hits],
        "incident_total": _total(incidents),
        "item_total": _total(items),
    }


def _total(found: queries.SearchPage) -> str:
    """Return the number of matches, with a plus if older ones were left out."""
    return f"{found.total:,}" + ("" if found.is_exact else "+")


def _shown(hit: dict[str, Any]) -> dict[str, Any]:
    """Return the hit with its snippet cut into segments."""
    snippet = hit["snippet"]
    if snippet is None:
        return {**hit, "segments": []}
    spans = [(start, end, "found") for start, end in snippet["hits"]]
    return {**hit, "segments": segments(snippet["text"], spans, snippet["start"])}
