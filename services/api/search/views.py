"""GET /v1/search: items or incidents by relevance, with snippets and facets."""

from __future__ import annotations

from typing import Any

from flask import Response
from marshmallow import Schema, fields, validate

from incidentwire.labels import LABELS
from incidentwire.web.auth import require
from services.api.http import (
    Blueprint,
    PageSchema,
    ReadQuerySchema,
    as_answer,
    cursor,
    limit,
    nullable_text,
    reader,
    wait_for,
)
from services.api.search import queries
from services.api.search.field import QueryField

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


class SnippetSchema(Schema):
    """A passage of an item's stored text."""

    item = fields.String(required=True)
    text = fields.String(required=True)
    start = fields.Integer(
        required=True, metadata={"description": "in code points of the item's text"}
    )
    end = fields.Integer(required=True)
    hits = fields.List(
        fields.List(fields.Integer()),
        required=True,
        metadata={"description": "[start, end) in code points of the item's text"},
    )


class HitSchema(Schema):
    """A match; one of kind incident has the fields of GET /v1/incidents too."""

    kind = fields.String(required=True, validate=validate.OneOf(["item", "incident"]))
    id = fields.String(required=True)
    title = nullable_text()
    labels = fields.List(fields.String(validate=validate.OneOf(LABELS)), required=True)
    topics = fields.List(fields.String(), required=True)
    snippet = fields.Nested(SnippetSchema, required=True, allow_none=True)
    link = fields.String(required=True)


class FacetSchema(Schema):
    """A value and how many of the matches have it."""

    value = fields.String(required=True)
    count = fields.Integer(required=True)


class SearchPageSchema(PageSchema):
    """Hits by relevance."""

    hits = fields.List(fields.Nested(HitSchema), required=True)
    total = fields.Integer(
        required=True,
        metadata={"description": "matches; at most 1,000, the newest"},
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
    counts the values of these matches, at most the newest 1,000. docs/search.md has the language and examples.
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


def _after(cursor: str | None) -> queries.Cursor | None:
    if cursor is None:
        return None
    rank, _, n = cursor.partition("_")
    try:
        return float(rank), int(n)
    except ValueError:  # digits and signs in an order that is no number
        return 0.0, int(n)
