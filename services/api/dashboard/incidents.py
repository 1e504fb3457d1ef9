"""The list of incidents with its facets: every state is a URL, and a file of it another."""

from __future__ import annotations

import sqlite3
from typing import Any

from flask import Response, request

from services.api.dashboard import (
    charts,
    facet_links,
    front,
    list_filters,
    queries,
    tables,
)
from services.api.dashboard.layout import address, page, page_blueprint, render
from services.api.errors import CursorOfAnotherList, NotFound
from services.api.filters.sql import NEWEST
from services.api.http import public_url, reader
from services.api.incidents import exports, list_query, newest
from services.api.incidents.list_query import IncidentPage
from services.api.incidents.schemas import ListQuerySchema

PER_PAGE = 25
MAX_EXPORT = 100_000  # rows of a file
SORTS = ("newest", "updated", "items", "last_report", "oldest")

blueprint = page_blueprint("incidents")


@blueprint.get("/incidents")
@page("read")
def show() -> Response:
    """Show a page of the list with the facets that narrow it."""
    asked, sort = list_filters.read_query(request.args)
    after = _after(request.args.get("cursor"), sort)
    found = reader().read(_facts, asked, sort, after)
    following = found["page"].after
    cursor = f"{sort}.{following[0]}.{following[1]}" if following else None
    return render(
        "incidents.html",
        **found,
        q=request.args.get("q", ""),
        query=request.args.to_dict(flat=False),
        sort=sort,
        sorts=SORTS,
        seen=front.seen_position(),
        facets=facet_links.links("/incidents", request.args, found["counts"]),
        chosen=facet_links.chosen("/incidents", request.args),
        hidden=facet_links.hidden(request.args, ("q", "sort", "cursor")),
        next_page=_with(cursor=cursor) if cursor else None,
        files={kind: _file(kind) for kind in ("csv", "xlsx", "json", "atom")},
    )


@blueprint.get("/incidents.<kind>")
@page("read")
def show_file(kind: str) -> Response:
    """Answer with the same list as a file: csv, xlsx, json or atom."""
    asked, sort = list_filters.read_query(request.args)
    if kind in ("atom", "json"):
        found = reader().read(
            list_query.page_with_reports, asked, "updated", None, exports.ENTRIES
        )
        return _feed(kind, found)
    if kind not in tables.WRITERS:
        raise NotFound("Use .csv, .xlsx, .json or .atom.")
    rows, position = _rows(asked, sort)
    body = reader().run(tables.WRITERS[kind], (rows, position))
    headers = {"Content-Disposition": f'attachment; filename="incidents.{kind}"'}
    return Response(body, 200, headers, mimetype=tables.TYPES[kind])


def _facts(
    db: sqlite3.Connection,
    asked: dict[str, Any],
    sort: str,
    after: tuple[str, int] | None,
) -> dict[str, Any]:
    found = newest.find(db, asked, queries.MAX_COUNTED, queries.COLUMNS)
    narrowed = asked
    if sort == "newest" and after is None:
        narrowed = {"among": found.numbers[: PER_PAGE + 1]}
    elif found.is_all:  # what was found is not looked for again
        narrowed = {"among": found.numbers}
    facets = queries.facets(db, asked, found)
    return {
        "page": newest.page(db, narrowed, sort, after, PER_PAGE, with_items=False),
        "counts": facets.counts,
        "chart": charts.stacked(facets.months),
        "total": len(found.numbers),
        "is_more": not found.is_all,
        "is_bounded": found.is_bounded,
        "bound": NEWEST,
    }


def _rows(asked: dict[str, Any], sort: str) -> tuple[list[tables.Row], int]:
    """Return the rows of a file, at most MAX_EXPORT, and the position of the last."""
    base = public_url("/incidents/")
    rows: list[tables.Row] = []
    after = None
    while len(rows) < MAX_EXPORT:
        found = reader().read(
            list_query.page_with_reports, asked, sort, after, exports.PAGE
        )
        rows += [
            tables.incident_row(one, found.reports[one["id"]], base)
            for one in found.incidents
        ]
        after = found.after
        if after is None:
            break
    return rows, found.position


def _after(cursor: str | None, sort: str) -> tuple[str, int] | None:
    """Return the place that a cursor names. Raises CursorOfAnotherList."""
    if not cursor:
        return None
    ListQuerySchema(only=("cursor",)).load({"cursor": cursor})
    of, _, rest = cursor.partition(".")
    if of != sort:
        raise CursorOfAnotherList(of, sort)
    key, _, n = rest.rpartition(".")
    return key, int(n)


def _feed(kind: str, found: IncidentPage) -> Response:
    query = request.query_string.decode("ascii", "replace")
    here = public_url(request.path) + (f"?{query}" if query else "")
    if kind == "atom":
        return Response(exports.atom(found, here), 200, mimetype="application/atom+xml")
    return tables.as_json(exports.json_items(found, here))


def _with(**changes: Any) -> str:
    asked = {**request.args.to_dict(flat=False), **changes}
    return address("/incidents", **asked)


def _file(kind: str) -> str:
    asked = request.args.to_dict(flat=False)
    asked.pop("cursor", None)
    return address(f"/incidents.{kind}", **asked)
