"""The shapes of items in answers, for the OpenAPI document."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from incidentwire.items import State
from incidentwire.labels import LABELS
from services.api.http import PageSchema, PassageSchema, nullable_text


def _text(description: str = "") -> fields.String:
    """Return a text member that not every answer has."""
    return fields.String(allow_none=True, metadata={"description": description})


class ItemLabelSchema(Schema):
    label = fields.String(required=True, validate=validate.OneOf(LABELS))
    score = fields.Float(
        required=True, allow_none=True, metadata={"description": "the model's, 0 to 1"}
    )
    certainty = fields.String(
        required=True,
        allow_none=True,
        validate=validate.OneOf(["likely", "possible"]),
        metadata={"description": "the model's, in a word; null if a person set it"},
    )
    by = fields.String(required=True, validate=validate.OneOf(["model", "person"]))
    evidence = fields.List(fields.Nested(PassageSchema), required=True)


class ItemSchema(Schema):
    """An item as it stands at `position`, the position of its last event."""

    id = fields.String(required=True)
    requested_id = fields.String(
        metadata={
            "description": "the id asked for, where that is an alias of this item"
        }
    )
    aliases = fields.List(
        fields.String(), metadata={"description": "other ids that stand for this item"}
    )
    incidents = fields.List(
        fields.String(), metadata={"description": "ids of the incidents it reports"}
    )
    topics = fields.List(
        fields.String(), metadata={"description": "names of the topics it is on"}
    )
    position = fields.Integer(required=True)
    version = fields.Integer(required=True, metadata={"description": "events so far"})
    state = fields.String(
        required=True, validate=validate.OneOf([str(state) for state in State])
    )
    url = _text("as handed in; null for a text without URL")
    canonical_url = _text()
    final_url = _text("after redirects")
    host = _text()
    site = _text()
    title = _text()
    author = _text()
    published = _text("ISO 8601 date, date and time, or year and month")
    language = _text("ISO 639-1")
    words = fields.Integer(allow_none=True)
    completeness = fields.Float(allow_none=True)
    given = fields.Boolean(
        required=True,
        metadata={"description": "the text was handed in and not fetched"},
    )
    labels = fields.List(
        fields.Nested(ItemLabelSchema),
        required=True,
        metadata={"description": "those that count"},
    )
    model_labels = fields.List(fields.String(), required=True)
    scores = fields.Dict(keys=fields.String(), values=fields.Float(), required=True)
    review = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "what the model hesitates over"},
    )
    corrected = fields.Boolean(
        required=True, metadata={"description": "a person set the labels"}
    )
    corrected_by = _text()
    note = _text("of the correction")
    model = _text("name and version")
    text_digest = _text("SHA-256 of the text as it was kept last")
    evidence_digest = _text("SHA-256 of the text that labels and evidence speak of")
    reason = _text("why it waits or was rejected: a stable slug")
    detail = _text()
    retryable = fields.Boolean(required=True)
    next_try = _text()
    attempt = fields.Integer(required=True)
    via = fields.String(
        required=True, metadata={"description": "name of the key that handed it in"}
    )
    feed = _text()
    alias_of = _text()
    submitted_at = fields.String(required=True)
    updated_at = fields.String(required=True)
    links = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class ItemPageSchema(PageSchema):
    items = fields.List(fields.Nested(ItemSchema), required=True)


class TextSchema(Schema):
    id = fields.String(required=True)
    state = fields.String(required=True)
    title = nullable_text()
    text = fields.String(required=True)
    text_digest = nullable_text()
    labels = fields.List(fields.Nested(ItemLabelSchema), required=True)
