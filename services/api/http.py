"""What views share: access to the app's parts, answers, and small schema fields.

Views import this module and no other view; schema modules import no view.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from flask import Response, current_app
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from incidentwire.archive import Archive
from incidentwire.log.event_log import EventLog
from incidentwire.settings import Settings
from incidentwire.web.blueprint import Blueprint as Blueprint
from incidentwire.web.blueprint import QuerySchema as QuerySchema
from incidentwire.web.text_checks import NO_NUL, WITH_NUL
from services.api.errors import PositionAhead
from services.api.read_model.reader import Reader

INVALID_CURSOR = 'Invalid cursor. Use the "next" value of the previous page unchanged.'
DATE: dict[str, Any] = {"invalid": "Not a date. Write it as 2026-03-31."}
MAX_POSITION = 2**53 - 1  # what every JSON reader can hold exactly
MAX_PAGE = 200
MAX_NOTE = 2_000  # characters
DEFAULT_PAGE = 50


# -- the app's parts -------------------------------------------------------------------


def event_log() -> EventLog:
    """Return the event log of the current app's store."""
    return EventLog(current_app.extensions["incidentwire.connection"])


def reader() -> Reader:
    """Return the reader of the current app's read model."""
    return cast("Reader", current_app.extensions["incidentwire.reader"])


def archive() -> Archive:
    """Return the archive of the current app."""
    return cast("Archive", current_app.extensions["incidentwire.archive"])


def settings() -> Settings:
    """Return the settings of the current app."""
    return cast("Settings", current_app.extensions["incidentwire.settings"])


def public_url(path: str) -> str:
    """Return the address of a path under `api_url`, whatever Host the client sent."""
    return settings().api_url.rstrip("/") + path


def wait_for(position: int | None) -> None:
    """Return once the read model has this position.

    Raises NotCaughtUp if that takes too long, and PositionAhead for a position that
    the log itself does not have.
    """
    if position is None or reader().position() >= position:
        return
    last = event_log().last()
    if position > last:
        raise PositionAhead(last)
    reader().wait_for(position)


# -- answers ---------------------------------------------------------------------------


def as_answer(body: Mapping[str, Any]) -> Response:
    """Return a JSON answer with status 200."""
    text = json.dumps(body, ensure_ascii=False)
    return Response(text, 200, mimetype="application/json")


# -- filters ---------------------------------------------------------------------------

PAGING = frozenset({"min_position", "as_of", "sort", "limit", "cursor", "offset"})


def filters_of(query: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filters of a query: everything but paging, days as ISO text."""
    found = {name: value for name, value in query.items() if name not in PAGING}
    for name, key in (("from", "since"), ("to", "until")):
        if key in found:
            found[name] = found.pop(key).isoformat()
    return found


def check_filters(schema: type[Schema], conditions: Collection[str]) -> None:
    """Raise TypeError if a filter of the schema has no condition.

    Called at import: a filter that is accepted and ignored answers with everything.
    """
    declared = {spec.data_key or name for name, spec in schema().fields.items()}
    if missing := declared - PAGING - set(conditions):
        raise TypeError(
            f"{schema.__name__} declares filters without a condition: {sorted(missing)}"
        )


# -- schemas and fields ------------------------------------------------------------------


class Names(fields.List[str]):
    """Some of a fixed set of names, given by repeating the parameter or by commas."""

    def __init__(self, choices: Sequence[str], description: str) -> None:
        self.choices = choices
        one = fields.String(metadata={"enum": list(choices)})
        about = {"description": f"{description}; repeated or comma-separated"}
        super().__init__(one, metadata=about)

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **options: Any
    ) -> list[Any]:
        parts = [part.strip() for text in value for part in str(text).split(",")]
        if not set(parts) <= set(self.choices):
            raise ValidationError(f"Use some of {', '.join(self.choices)}.")
        return super()._deserialize(parts, attr, data, **options)


class WholeNumber(fields.Integer):
    """A JSON number without a fraction: 3 and 3.0, but not "3" or true."""

    def _validated(self, value: Any) -> int:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or value != value // 1:
            raise self.make_error("invalid", input=value)
        return int(value)


class QueryNumber(fields.Integer):
    """A whole number in a query string, of at most 16 digits."""

    def _validated(self, value: Any) -> int:
        text = str(value)
        if not (text.isascii() and text.isdigit() and len(text) <= 16):
            raise self.make_error("invalid", input=value)
        return int(text)


def host(description: str) -> fields.String:
    """Return a parameter for a host or the name of a site."""
    found = text(description, most=253)
    found.validators.append(_no_address)
    return found


def _no_address(value: str) -> None:
    if "://" in value:
        raise ValidationError("Use the host only, such as news.example.org.")


def text(description: str, most: int = 200, **options: Any) -> fields.String:
    """Return a text parameter of 1 to `most` characters."""
    return fields.String(
        validate=[
            validate.Length(min=1, max=most),
            validate.Regexp(NO_NUL, error=WITH_NUL),
        ],
        metadata={"description": description},
        **options,
    )


def nullable_text(description: str = "", **options: Any) -> fields.String:
    """Return a text member of an answer, null if unknown."""
    about = {"description": description} if description else {}
    return fields.String(required=True, allow_none=True, metadata=about, **options)


def position(
    description: str, least: int = 0, most: int = MAX_POSITION, **options: Any
) -> fields.Integer:
    """Return a query parameter that is a position in the log, or counts events."""
    check = validate.Range(min=least, max=most)
    about = {"description": description}
    return QueryNumber(validate=check, metadata=about, **options)


def limit(most: int = MAX_PAGE, default: int = DEFAULT_PAGE) -> fields.Integer:
    """Return the query parameter that bounds a page."""
    return QueryNumber(
        validate=validate.Range(min=1, max=most),
        load_default=default,
        metadata={"description": "entries per page"},
    )


def cursor(pattern: str) -> fields.String:
    """Return the query parameter that continues a list; `pattern` is anchored."""
    return fields.String(
        validate=validate.Regexp(pattern, error=INVALID_CURSOR),
        metadata={
            "description": "`next` of the previous page; keep filters and sort unchanged"
        },
    )


class ReadAnswerSchema(Schema):
    """What every answer of the read model says of itself."""

    position = fields.Integer(
        required=True, metadata={"description": "the log up to here is in this answer"}
    )
    log_id = fields.String(required=True)


class PageSchema(ReadAnswerSchema):
    """A page of a list."""

    next = nullable_text("cursor; null on the last page")


class ReadQuerySchema(QuerySchema):
    """The query of views that answer from the read model."""

    min_position = position(
        "wait until the read model has this position, to read your own write "
        "(5 s at most, then 503)"
    )

    @validates_schema
    def in_order(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a last day before the first, which nothing could match."""
        since = data.get("since")
        until = data.get("until")
        if since and until and until < since:
            raise ValidationError("Is before `from`. Swap the two.", "to")


class PassageSchema(Schema):
    """A passage of an item's text."""

    start = fields.Integer(
        required=True, metadata={"description": "in Unicode code points of the text"}
    )
    end = fields.Integer(required=True, metadata={"description": "exclusive"})
    quote = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "null if the text is not stored"},
    )
