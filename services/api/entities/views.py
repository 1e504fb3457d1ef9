"""GET, POST and DELETE /v1/entities/aliases: spellings that are one entity."""

from __future__ import annotations

from typing import Any

from flask import Response, g
from marshmallow import Schema, fields, validate

from incidentwire.web.auth import require
from incidentwire.web.text_checks import clean
from services.api.entities import commands, queries
from services.api.http import (
    MAX_NOTE,
    Blueprint,
    ReadAnswerSchema,
    ReadQuerySchema,
    as_answer,
    event_log,
    reader,
    wait_for,
)

MAX_NAME = 200  # characters

blueprint = Blueprint(
    "entities",
    __name__,
    url_prefix="/v1/entities",
    description="Spellings that curators declared to be one entity",
)


class NewAliasSchema(Schema):
    """Two spellings of one entity's name."""

    error_messages = {  # noqa: RUF012
        "unknown": "Unknown field of an alias. Remove it."
    }
    alias = fields.String(
        required=True,
        validate=[validate.Length(min=1, max=MAX_NAME), clean],
        metadata={"description": "the spelling that is replaced"},
    )
    name = fields.String(
        required=True,
        validate=[validate.Length(min=1, max=MAX_NAME), clean],
        metadata={"description": "the spelling under which both are shown"},
    )
    note = fields.String(
        load_default="", validate=[validate.Length(max=MAX_NOTE), clean]
    )


class AliasDoneSchema(Schema):
    id = fields.String(required=True, metadata={"description": "of the spelling"})
    alias = fields.String(required=True)
    name = fields.String(required=True)
    position = fields.Integer(required=True)


class AliasSchema(AliasDoneSchema):
    """A declaration in force."""

    entity = fields.String(
        required=True,
        metadata={"description": "the name that stands for all spellings"},
    )
    who = fields.String(required=True)
    note = fields.String(required=True, allow_none=True)
    declared_at = fields.String(required=True)


class AliasesSchema(ReadAnswerSchema):
    aliases = fields.List(fields.Nested(AliasSchema), required=True)


@blueprint.route("/aliases", methods=["GET"])
@require("read")
@blueprint.arguments(ReadQuerySchema, location="query")
@blueprint.response(200, AliasesSchema)
def list_aliases(query: dict[str, Any]) -> Response:
    """List the declared spellings, newest first."""
    wait_for(query.get("min_position"))
    return as_answer(reader().read(queries.declared))


@blueprint.route("/aliases", methods=["POST"])
@require("curate")
@blueprint.arguments(NewAliasSchema)
@blueprint.response(201, AliasDoneSchema)
def declare_alias(body: dict[str, Any]) -> dict[str, object]:
    """Declare that two spellings are one entity, for search, facets and filters."""
    return commands.declare(
        event_log(), reader(), body["alias"], body["name"], g.who, body["note"]
    )


@blueprint.route("/aliases/<alias_id>", methods=["DELETE"])
@require("curate")
@blueprint.response(200, AliasDoneSchema)
def take_back_alias(alias_id: str) -> dict[str, object]:
    """Take a declaration back: the two spellings are separate names again."""
    return commands.take_back(event_log(), alias_id, g.who)
