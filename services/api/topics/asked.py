"""Queries that a person asks now: a topic that is not defined is refused.

A stored filter is parsed without this check: its topic may have been removed since.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

from marshmallow import ValidationError, fields, validate

from incidentwire.events import TopicDefined
from incidentwire.web.text_checks import NO_NUL, WITH_NUL, without_nul
from services.api.filters.matching import field_values
from services.api.filters.parser import (
    FIELDS,
    MAX_CHARS,
    FieldRules,
    FilterError,
    Node,
    parse,
)
from services.api.filters.topic import MAX_NAME, topic_id
from services.api.http import event_log, reader
from services.api.text.folding import fold


def parse_query(text: str) -> Node:
    """Parse a query. Raises FilterError, for an unknown topic too."""
    return parse(text, rules())


def rules() -> FieldRules:
    """Return the rules of fields by which a query is parsed that is asked now."""
    return {**FIELDS, "topic": replace(FIELDS["topic"], normalise=known_topic)}


def known_topic(name: str) -> str:
    """Return the folded name of a topic. Raises ValueError if it is not defined.

    The log is asked: it has a topic at once, the read model a moment later.
    """
    if _is_defined(name):
        return fold(name)
    known = reader().read(_names)
    if not known:
        raise ValueError("no topic is defined")
    raise ValueError(f"use one of {', '.join(known)}")


def removed_topics(text: str) -> list[str]:
    """Return the topics that a stored filter names and that are not defined any more."""
    try:
        named = field_values(parse(text), "topic")
    except FilterError:
        return []
    return [name for name in named if not _is_defined(name)]


def _is_defined(name: str) -> bool:
    history = event_log().history(topic_id(name))
    return bool(history) and isinstance(history[-1].event, TopicDefined)


def _names(db: sqlite3.Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM topics ORDER BY folded")]


DESCRIPTION = (
    'filter language: words, "phrases", AND, OR, NOT, prefix*, and fields such as '
    "label: source: entity: country: topic: lang: status: after: before: (docs/search.md)"
)


class QueryField(fields.String):
    """Text in the filter language that is asked now; deserialises to the parsed query."""

    def __init__(self, **options: Any) -> None:
        # The bounds are for the OpenAPI document; `parse` checks the length itself.
        bounds = validate.Length(max=MAX_CHARS)
        super().__init__(metadata={"description": DESCRIPTION}, **options)
        self.bounds = bounds

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **options: Any
    ) -> Any:
        text = super()._deserialize(value, attr, data, **options)
        without_nul(text)
        try:
            return parse_query(text)
        except FilterError as error:
            where = f" (at character {error.position + 1})"
            raise ValidationError(error.message + where) from None


class TopicField(fields.String):
    """The name of a topic that is defined."""

    def __init__(self, description: str) -> None:
        checks = [
            validate.Length(min=1, max=200),
            validate.Regexp(NO_NUL, error=WITH_NUL),
        ]
        super().__init__(validate=checks, metadata={"description": description})

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **options: Any
    ) -> Any:
        name = super()._deserialize(value, attr, data, **options)
        if "\x00" not in name:
            check_topic(name)
        return name


def check_topic(name: str, field: str = "topic") -> None:
    """Raise ValidationError for a topic that is not defined."""
    try:
        known_topic(name)
    except ValueError as error:
        message = f"Unknown topic {name[:MAX_NAME]!r}: {error}."
        raise ValidationError(message, field) from None
