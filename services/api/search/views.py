"""GET /v1/search: items or incidents by relevance, with snippets and facets."""

from __future__ import annotations

from typing import Any

from flask import Response
from marshmallow import Schema, fields, validate

from incidentwire.web.auth import require
from services.api.http import (
    Blueprint,
    PageSchema,
    ReadQuerySchema,
    as_answer,
    cursor,
    limit,
    reader,
    wait_for,
)
from services.api.search import queries
from services.api.search.hits import Cursor
from services.api.topics.asked import QueryField

CURSOR = "^-?[0-9][0-9.e+-]{0,30}_[1-9][0-9]{0,15}$"

blueprint = Blueprint(
    "search", __name__, url_prefix="/v1", description="Search in items and incidents"
)


class SearchQuerySchema(ReadQuerySchema):
    """The query of GET /v1/search."""

    q = QueryField(required=True)
    kind = fields.String(
        validate=validate.OneOf(list(queries.KINDS)),
        load_default="items",
        metadata={"description": "what is searched"},
    )
    limit = limit(most=100, default=20)
    cursor = cursor(CURSOR)


class FacetSchema(Schema):
    """A value and how many of the matches have it."""

    value = fields.String(required=True)
    count = fields.Integer(required=True)


class SearchPageSchema(PageSchema):
    """Hits by relevance. Hits of kind incident have the fields of lists too."""

    hits = fields.List(fields.Dict(), required=True)
    total = fields.Integer(
        required=True,
        metadata={"description": "matches; at most 500, the newest"},
    )
    is_exact = fields.Boolean(
        required=True,
        metadata={
            "description": "false: older matches were left out; narrow the query"
        },
    )
    facets = fields.Dict(
        keys=fields.String(), values=fields.List(fields.Nested(FacetSchema))
    )


@blueprint.route("/search", methods=["GET"])
@require("read")
@blueprint.arguments(SearchQuerySchema, location="query")
@blueprint.response(200, SearchPageSchema)
def search(query: dict[str, Any]) -> Response:
    """Search by the filter language; the best matches first, else the newest.

    Each hit has a snippet of its stored text with the places of the hits. `facets`
    counts the values of these matches, at most the newest 400. docs/search.md has the language and examples.
    """
    wait_for(query.get("min_position"))
    find = queries.KINDS[query["kind"]]
    after = _after(query.get("cursor"))
    page = reader().read(find, query["q"], query["limit"], after)
    following = f"{page.after[0]!r}_{page.after[1]}" if page.after else None
    return as_answer(
        {
            "hits": page.hits,
            "total": page.total,
            "is_exact": page.is_exact,
            "facets": page.facets,
            "next": following,
            "position": page.position,
            "log_id": page.log_id,
        }
    )


def _after(cursor: str | None) -> Cursor | None:
    if cursor is None:
        return None
    rank, _, n = cursor.partition("_")
    try:
        return float(rank), int(n)
    except ValueError:  # digits and signs in an order that is no number
        return 0.0, int(n)
