"""The filters of pages in query parameters, checked, for the list and for the search."""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import date
from typing import Any

from marshmallow import ValidationError
from werkzeug.datastructures import MultiDict

from services.api.dashboard import facet_links
from services.api.filters.parser import All, Field, Node, Not
from services.api.incidents.schemas import ListQuerySchema
from services.api.text.folding import fold

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


def read_query(args: MultiDict[str, str]) -> tuple[dict[str, Any], str]:
    """Return the filters of a list of incidents, as list_query knows them, and its sort.

    Raises marshmallow.ValidationError naming each invalid parameter.
    """
    check_names(args, {*PARAMETERS, *OTHERS, *facet_links.NAMES})
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


def read_facets(args: MultiDict[str, str]) -> dict[str, Any]:
    """Return the facets that are chosen, as list_query knows them.

    Raises marshmallow.ValidationError naming each invalid one.
    """
    facets = MultiDict(
        [one for one in args.items(multi=True) if one[0] in facet_links.NAMES]
    )
    return read_query(facets)[0]


def check_names(args: MultiDict[str, str], known: Set[str]) -> None:
    """Raise ValidationError for parameters that are no filter: a list shows no more than asked."""
    unknown = sorted(args.keys() - known)
    if unknown:
        message = f"Unknown filter. Use some of {', '.join(sorted(known - OTHERS))}."
        raise ValidationError({name: [message] for name in unknown})


# facet -> field of the filter language
FIELDS = {
    "label": "label",
    "status": "status",
    "topic": "topic",
    "country": "country",
    "entity": "entity",
    "source": "source",
    "language": "lang",
}


def as_query(asked: Mapping[str, Any]) -> Node:
    """Return the same filters in the filter language, for items."""
    parts: list[Node] = []
    for name, value in asked.items():
        key = name.removeprefix("without_")
        for one in value if isinstance(value, list) else [value]:
            part = _month(one) if key == "month" else _field(key, one)
            parts.append(Not(part) if name.startswith("without_") else part)
    return All(tuple(parts))


def _field(facet: str, value: str) -> Field:
    is_name = facet in ("topic", "entity", "source")
    return Field(FIELDS[facet], fold(value) if is_name else value)


def _month(month: str) -> Node:
    first = date.fromisoformat(f"{month}-01")
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    days = (Field("after", first.isoformat()), Field("before", following.isoformat()))
    return All(days)
