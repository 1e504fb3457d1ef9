"""The shapes of what people command, and of the answer."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from incidentwire.incidents.state import STATUSES
from incidentwire.web.text_checks import NO_NUL, WITH_NUL, well_formed
from services.api.http import MAX_NOTE, WholeNumber

MAX_TITLE = 300  # characters
MAX_MENTIONS = 1000
# Of \s alone Python and JSON Schema have different ideas (U+001C to U+001F, U+0085, U+FEFF).
HAS_WORDS = r"^[\x01-\x20\x7f-\xa0\ufeff\s]*[^\x00-\x20\x7f-\xa0\ufeff\s][^\x00]*$"
MAX_SAME_AS = 20
ADDRESS = r"^https?://[!-~]{1,2000}$"
NO_ADDRESS = "is no address: it begins with http:// or https:// and has no spaces"
MENTION = r"^[A-Za-z0-9_]{1,64}#[A-Za-z0-9_]{1,16}$"


def _version(of: str, **options: Any) -> WholeNumber:
    about = {
        "description": f"the `version` of {of} that was looked at: a stale one is refused"
    }
    return WholeNumber(
        validate=validate.Range(min=0, max=2**53 - 1), metadata=about, **options
    )


def _id(**options: Any) -> fields.String:
    no_nul = validate.Regexp(NO_NUL, error=WITH_NUL)
    return fields.String(
        validate=[validate.Length(min=1, max=64), no_nul, well_formed], **options
    )


def _mention(**options: Any) -> fields.String:
    must = "names no mention: it is <item>#<mention>, the `key` that GET /v1/incidents/<id> shows"
    about = {"description": "`<item>#<mention>`"}
    return fields.String(
        validate=validate.Regexp(MENTION, error=must), metadata=about, **options
    )


def _note() -> fields.String:
    return fields.String(
        load_default="",
        validate=[
            validate.Length(max=MAX_NOTE),
            validate.Regexp(NO_NUL, error=WITH_NUL),
            well_formed,
        ],
        metadata={"description": "why; it stays in the log for ever"},
    )


class CommandSchema(Schema):
    """Which version was looked at, so that nobody overrides what they have not seen, and why."""

    error_messages = {"unknown": "is no field of this command: remove it"}  # noqa: RUF012
    version = _version("the incident", required=True)
    note = _note()


_HAS_WORDS = validate.Regexp(HAS_WORDS, error="needs words, and no NUL character")


class StatusSchema(CommandSchema):
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))


def _title() -> fields.String:
    return fields.String(
        required=True,
        validate=[validate.Length(max=MAX_TITLE), _HAS_WORDS, well_formed],
    )


class TitleSchema(CommandSchema):
    title = _title()


class NewIncidentSchema(Schema):
    """An incident that people know of before any item reports it."""

    error_messages = {"unknown": "is no field of this command: remove it"}  # noqa: RUF012
    title = _title()
    same_as = fields.List(
        fields.String(validate=validate.Regexp(ADDRESS, error=NO_ADDRESS)),
        load_default=list,
        validate=validate.Length(max=MAX_SAME_AS),
        metadata={
            "description": "addresses of records about it in other databases; the first"
            " identifies it, so that an import can be repeated"
        },
    )
    note = _note()


class NoteSchema(CommandSchema):
    note = fields.String(
        required=True,
        validate=[validate.Length(max=MAX_NOTE), _HAS_WORDS, well_formed],
    )


class MergeSchema(CommandSchema):
    into = _id(required=True)
    into_version = _version("the other incident", required=True)


class SplitSchema(CommandSchema):
    mentions = fields.List(
        _mention(), required=True, validate=validate.Length(min=1, max=MAX_MENTIONS)
    )


class TargetSchema(Schema):
    error_messages = {"unknown": "is not known here: only id and version are"}  # noqa: RUF012
    id = _id(required=True)
    version = _version("that incident", required=True)


class MoveSchema(CommandSchema):
    mention = _mention(required=True)
    to = fields.Nested(
        TargetSchema,
        metadata={
            "description": "the incident to go to; without it, the mention becomes one of its own"
        },
    )


class DoneSchema(Schema):
    """The incident right after the command; pass `position` as `min_position` to read on."""

    id = fields.String(
        required=True,
        metadata={"description": "the incident that stands for the id in the address"},
    )
    position = fields.Integer(
        required=True, metadata={"description": "of the last event appended"}
    )
    version = fields.Integer(
        required=True, metadata={"description": "the incident's version now"}
    )
    status = fields.String(required=True)
    title = fields.String(
        required=True, allow_none=True, metadata={"description": "as people named it"}
    )
    other = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "the other incident concerned"},
    )
    other_version = fields.Integer(required=True, allow_none=True)
