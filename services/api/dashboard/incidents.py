"""The list of incidents with its facets: every state is a URL, and a file of it another."""

from __future__ import annotations

import sqlite3
from typing import Any

from flask import Response, request
from marshmallow import ValidationError
from werkzeug.datastructures import MultiDict

from services.api.dashboard import charts, facet_links, front, queries, tables
from services.api.dashboard.layout import address, page, page_blueprint, render
from services.api.errors import CursorOfAnotherList, NotFound
from services.api.http import public_url, reader
from services.api.incidents import exports, list_query
from services.api.incidents.list_query import IncidentPage
from services.api.incidents.schemas import ListQuerySchema

PER_PAGE = 25
MAX_EXPORT = 100_000  # rows of a file
PARAMETERS = frozenset(
    {
        "q",
        "label",
        "status",
        "topic",
        "source",
        "entity",
        "country",
        "from",
        "to",
        "sort",
    }
)
OTHERS = frozenset({"cursor", "min_position"})
SORTS = ("newest", "updated", "items", "last_report", "oldest")

blueprint = page_blueprint("incidents")


@blueprint.get("/incidents")
@page("read")
def show() -> Response:
    """Show a page of the list with the facets that narrow it."""
    asked, sort = read_query(request.args)
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
    asked, sort = read_query(request.args)
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


def read_query(args: MultiDict[str, str]) -> tuple[dict[str, Any], str]:
    """Return the filters, as list_query knows them, and the sort.

    Raises marshmallow.ValidationError naming each invalid parameter.
    """
    _check_names(args)
    known = {
        name: args.getlist(name) if name in ("label", "status") else value
        for name, value in args.items()
        if name in PARAMETERS and value
    }
    loaded = dict(ListQuerySchema().load(known))
    sort = loaded.pop("sort")
    loaded.pop("limit", None)
    for name, key in (("from", "since"), ("to", "until")):
        if key in loaded:
            loaded[name] = loaded.pop(key).isoformat()
    loaded |= facet_links.other_filters(args)
    return loaded, sort


def _check_names(args: MultiDict[str, str]) -> None:
    """Raise ValidationError for parameters that are no filter: a list shows no more than asked."""
    known = {*PARAMETERS, *OTHERS, *facet_links.NAMES}
    unknown = sorted(args.keys() - known)
    if unknown:
        message = f"Unknown filter. Use some of {', '.join(sorted(known - OTHERS))}."
        raise ValidationError({name: [message] for name in unknown})


def _facts(
    db: sqlite3.Connection,
    asked: dict[str, Any],
    sort: str,
    after: tuple[str, int] | None,
) -> dict[str, Any]:
    found = queries.numbers(db, asked)
    is_all = len(found) <= queries.MAX_COUNTED
    # what was found is not looked for again, unless the page may need older ones
    begins_newest = sort == "newest" and after is None
    narrowed = {"among": found} if is_all or begins_newest else asked
    facets = queries.facets(db, asked, found)
    return {
        "page": list_query.page(db, narrowed, sort, after, PER_PAGE, with_items=False),
        "counts": facets.counts,
        "chart": charts.stacked(facets.months),
        "total": min(len(found), queries.MAX_COUNTED),
        "is_more": not is_all,
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
