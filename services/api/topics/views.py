"""GET, POST and DELETE /v1/topics: topics of one's own beside the four labels."""

from __future__ import annotations

from typing import Any

from flask import Response, g
from marshmallow import Schema, fields, validate

from incidentwire.events import TopicDefined
from incidentwire.web.auth import require
from incidentwire.web.text_checks import clean
from services.api.filters.parser import MAX_CHARS
from services.api.filters.topic import COLOURS, MAX_DESCRIPTION, MAX_NAME
from services.api.http import (
    Blueprint,
    ReadAnswerSchema,
    ReadQuerySchema,
    as_answer,
    event_log,
    reader,
    wait_for,
)
from services.api.topics import commands, queries

blueprint = Blueprint(
    "topics",
    __name__,
    url_prefix="/v1",
    description="Topics: named filters that curators define beside the labels",
)


class NewTopicSchema(Schema):
    """A topic: a name for what a filter matches."""

    error_messages = {  # noqa: RUF012
        "unknown": "Unknown field of a topic. Remove it."
    }
    name = fields.String(
        required=True,
        validate=[validate.Length(min=1, max=MAX_NAME), clean],
        metadata={"description": "shown on items and incidents, and found by topic:"},
    )
    filter = fields.String(
        required=True,
        validate=[validate.Length(min=1, max=MAX_CHARS), clean],
        metadata={"description": "words, or any filter over what reports say"},
    )
    colour = fields.String(load_default=COLOURS[0], validate=validate.OneOf(COLOURS))
    description = fields.String(
        load_default="", validate=[validate.Length(max=MAX_DESCRIPTION), clean]
    )


class TopicDoneSchema(Schema):
    id = fields.String(required=True)
    name = fields.String(required=True)
    filter = fields.String(required=True)
    colour = fields.String(required=True, validate=validate.OneOf(COLOURS))
    description = fields.String(required=True)
    position = fields.Integer(required=True)


class TopicSchema(TopicDoneSchema):
    """A topic in force."""

    who = fields.String(required=True)
    defined_at = fields.String(required=True)
    items = fields.Integer(
        required=True, metadata={"description": "items on the topic"}
    )
    incidents = fields.Integer(
        required=True, metadata={"description": "incidents on the topic"}
    )


class TopicsSchema(ReadAnswerSchema):
    topics = fields.List(fields.Nested(TopicSchema), required=True)


@blueprint.route("/topics", methods=["GET"])
@require("read")
@blueprint.arguments(ReadQuerySchema, location="query")
@blueprint.response(200, TopicsSchema)
def list_topics(query: dict[str, Any]) -> Response:
    """List the topics by name, with the number of items and incidents on each."""
    wait_for(query.get("min_position"))
    return as_answer(reader().read(queries.defined))


@blueprint.route("/topics", methods=["POST"])
@require("curate")
@blueprint.arguments(NewTopicSchema)
@blueprint.response(201, TopicDoneSchema)
def define_topic(body: dict[str, Any]) -> dict[str, object]:
    """Define a topic; a topic of the same name is replaced.

    Items that are here already are matched, too. A topic is found by `topic:` in search,
    lists, feeds, exports and subscriptions. The model learns nothing from it.
    """
    return commands.define(event_log(), reader(), TopicDefined(who=g.who, **body))


@blueprint.route("/topics/<topic_id>", methods=["DELETE"])
@require("curate")
@blueprint.response(200, TopicDoneSchema)
def remove_topic(topic_id: str) -> dict[str, object]:
    """Remove a topic. The items and incidents that were on it stay."""
    return commands.remove(event_log(), topic_id, g.who)
