"""One search box: incidents and items in the filter language, with the hits in the text."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response, request

from incidentwire.net import urls
from services.api.dashboard import facet_links, list_filters
from services.api.dashboard.highlight import segments
from services.api.dashboard.layout import go_to, page, page_blueprint, render
from services.api.filters.parser import MAX_CHARS, All, FilterError, Node
from services.api.http import event_log, reader
from services.api.search import facets, hits, queries
from services.api.topics.asked import parse_query

PER_KIND = 10
VALUES = 6  # of a facet
Counts = Mapping[str, Sequence[tuple[str, int]]]

blueprint = page_blueprint("search")


@blueprint.get("/search")
@page("read")
def show() -> Response:
    """Show the incidents and items that satisfy the query, the most relevant first.

    A query that cannot be parsed is shown again with the place that is wrong. Raises
    marshmallow.ValidationError for an invalid filter.
    """
    q = request.args.get("q", "").strip()
    list_filters.check_names(request.args, {"q", *facet_links.NAMES})
    if not q:
        return render("search.html", q="")
    if q.startswith(("http://", "https://")):
        return _at_address(q)
    try:
        query = parse_query(q.replace("\x00", " "))
    except FilterError as error:
        place = error.position + 1
        shown = q[:MAX_CHARS]
        return render("search.html", 422, q=shown, wrong=error.message, place=place)
    found = reader().read(_find, query, list_filters.read_facets(request.args))
    counts: Counts = found["counts"]
    return render(
        "search.html",
        q=q,
        asked=request.args.to_dict(flat=False),
        facets=facet_links.links("/search", request.args, counts),
        chosen=facet_links.chosen("/search", request.args, but=("q",)),
        **found,
    )


def _at_address(q: str) -> Response:
    """Go to the item with this address, or say that none has it."""
    try:
        item_id = urls.item_id(urls.canonicalize(q))
    except urls.UrlError as error:
        return render("search.html", 422, q=q[:MAX_CHARS], wrong=str(error), place=1)
    if event_log().history(item_id):
        return go_to(f"/items/{item_id}")
    return render("search.html", 404, q=q, is_unknown_address=True)


def _find(
    db: sqlite3.Connection, query: Node, filters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the best hits of both kinds, and the facets."""
    if filters:
        narrowed = All((query, list_filters.as_query(filters)))
        items = hits.of_items(db, narrowed)
        incidents = hits.of_incidents(db, query, filters)
    else:
        items, incidents = hits.of_both(db, query)
    best_incidents, _ = incidents.page(PER_KIND, None)
    best_items, _ = items.page(PER_KIND, None)
    shown = queries.incident_hits(db, query, best_incidents, incidents.best)
    return {
        "incidents": [_shown(hit) for hit in shown],
        "items": [_shown(hit) for hit in queries.item_hits(db, query, best_items)],
        "incident_total": _total(incidents),
        "item_total": _total(items),
        "counts": _counts(db, incidents, items),
        "item_count": len(items.ranked),
        "is_part": not items.is_all,
    }


def _counts(db: sqlite3.Connection, incidents: hits.Hits, items: hits.Hits) -> Counts:
    """Return (value, count) of each facet, the most frequent first, of months the newest.

    Items are counted, but for the status, which only incidents have.
    """
    found = facets.of_items(db, items.numbers)
    found["language"] = found.pop("lang")
    found["status"] = facets.statuses(db, incidents.numbers)
    found["month"].sort(key=lambda one: str(one["value"]), reverse=True)
    return {
        name: [(one["value"], one["count"]) for one in values[:VALUES]]
        for name, values in found.items()
    }


def _total(found: hits.Hits) -> str:
    """Return the number of matches, with a plus if older ones were left out."""
    return f"{len(found.ranked):,}" + ("" if found.is_all else "+")


def _shown(hit: dict[str, Any]) -> dict[str, Any]:
    """Return the hit with its snippet cut into segments."""
    snippet = hit["snippet"]
    if snippet is None:
        return {**hit, "segments": []}
    spans = [(start, end, "found") for start, end in snippet["hits"]]
    return {
        **hit,
        "segments": segments(snippet["text"], spans, snippet["start"]),
        "is_cut_before": snippet["start"] > 0,
        "is_cut_after": snippet["end"] < snippet["length"],
    }
