"""POST and DELETE /v1/items/<id>/labels: corrections by people override the model."""

from __future__ import annotations

from typing import Any, cast

from flask import g
from marshmallow import Schema, ValidationError, fields, validate, validates

from incidentwire import items
from incidentwire.events import ItemCorrected, ItemReviewed
from incidentwire.labels import LABELS, Label
from incidentwire.log.event_log import VersionConflict, Withdrawn
from incidentwire.web.auth import require
from incidentwire.web.text_checks import clean
from services.api.errors import IsAlias, NotCorrected, StaleVersion, WithdrawnItem
from services.api.http import MAX_NOTE, Blueprint, WholeNumber, event_log
from services.api.items.lookup import item_of

BAD_ABOUT = "Use labels, or the id of a mention such as m0."

blueprint = Blueprint(
    "corrections", __name__, url_prefix="/v1", description="Label corrections"
)


class WithdrawCorrectionSchema(Schema):
    """The version that the client saw, so that nobody overrides unseen changes."""

    error_messages = {  # noqa: RUF012
        "unknown": "Unknown field of a correction. Remove it."
    }
    version = WholeNumber(
        required=True,
        validate=validate.Range(min=1),
        metadata={"description": "the item's `version`"},
    )
    note = fields.String(
        load_default="", validate=[validate.Length(max=MAX_NOTE), clean]
    )


class CorrectionSchema(WithdrawCorrectionSchema):
    labels = fields.List(
        fields.String(validate=validate.OneOf(LABELS)),
        required=True,
        metadata={"description": "all that apply; [] for none"},
    )

    @validates("labels")
    def each_once(self, value: list[str], **_: Any) -> None:
        if len(set(value)) != len(value):
            raise ValidationError("Contains a label twice. Send each once.")


class CorrectedSchema(Schema):
    id = fields.String(required=True)
    position = fields.Integer(required=True)
    version = fields.Integer(
        required=True, metadata={"description": "the item's version now"}
    )
    labels = fields.List(fields.String(), required=True)


@blueprint.route("/items/<item_id>/labels", methods=["POST"])
@require("curate")
@blueprint.arguments(CorrectionSchema)
@blueprint.response(200, CorrectedSchema)
def correct(body: dict[str, Any], item_id: str) -> dict[str, Any]:
    """Set the labels of an item until the correction is withdrawn."""
    return set_labels(item_id, body, g.who)


def set_labels(item_id: str, body: dict[str, Any], who: str) -> dict[str, Any]:
    """Append a correction; `body` is a loaded CorrectionSchema.

    Raises UnknownItem, ItemWithdrawn, IsAlias or StaleVersion.
    """
    item = _item(item_id, body["version"])
    labels = cast(
        "tuple[Label, ...]", tuple(label for label in LABELS if label in body["labels"])
    )
    event = ItemCorrected(
        who=who, labels=labels, labels_before=item.labels, note=body["note"]
    )
    return _append(item, event)


@blueprint.route("/items/<item_id>/labels", methods=["DELETE"])
@require("curate")
@blueprint.arguments(WithdrawCorrectionSchema)
@blueprint.response(200, CorrectedSchema)
def withdraw_correction(body: dict[str, Any], item_id: str) -> dict[str, Any]:
    """Withdraw a correction: the labels of the model apply again."""
    return restore_labels(item_id, body, g.who)


def restore_labels(item_id: str, body: dict[str, Any], who: str) -> dict[str, Any]:
    """Withdraw a correction; `body` is a loaded WithdrawCorrectionSchema.

    Raises NotCorrected beside the errors of set_labels.
    """
    item = _item(item_id, body["version"])
    if item.corrected is None:
        raise NotCorrected
    event = ItemCorrected(
        who=who,
        labels=item.model_labels,
        labels_before=item.labels,
        withdrawn=True,
        note=body["note"],
    )
    return _append(item, event)


class ReviewSchema(Schema):
    """What a curator looked at and left as it is."""

    error_messages = {  # noqa: RUF012
        "unknown": "Unknown field of a review. Remove it."
    }
    about = fields.String(
        load_default="labels",
        validate=validate.Regexp(r"labels|m[0-9]{1,4}", error=BAD_ABOUT),
        metadata={"description": "labels, or the mention whose link is in doubt"},
    )
    withdrawn = fields.Boolean(
        load_default=False, metadata={"description": "take the mark back"}
    )


class ReviewedSchema(Schema):
    id = fields.String(required=True)
    position = fields.Integer(required=True)
    version = fields.Integer(required=True)


@blueprint.route("/items/<item_id>/review", methods=["POST"])
@require("curate")
@blueprint.arguments(ReviewSchema)
@blueprint.response(200, ReviewedSchema)
def review(body: dict[str, Any], item_id: str) -> dict[str, Any]:
    """Mark a doubt as looked at: it leaves the review queue, and nothing else changes."""
    return mark_reviewed(item_id, body, g.who)


def mark_reviewed(item_id: str, body: dict[str, Any], who: str) -> dict[str, Any]:
    """Append the mark; `body` is a loaded ReviewSchema. Doing it twice is no error.

    Raises UnknownItem, WithdrawnItem or IsAlias.
    """
    item = _usable(item_id)
    event = ItemReviewed(who=who, about=body["about"], withdrawn=body["withdrawn"])
    try:
        done = event_log().append(item.id, event)
    except Withdrawn:
        raise WithdrawnItem from None
    return {"id": item.id, "position": done.last, "version": item.version + 1}


def _usable(item_id: str) -> items.Item:
    """Return the item. Raises UnknownItem, WithdrawnItem or IsAlias."""
    item, _ = item_of(event_log(), item_id)
    if item.state is items.State.WITHDRAWN:
        raise WithdrawnItem
    if item.alias_of:
        raise IsAlias(item.alias_of)
    return item


def _item(item_id: str, seen: int) -> items.Item:
    """Return the item, which must be at the version that was seen.

    Raises UnknownItem, WithdrawnItem, IsAlias or StaleVersion.
    """
    item = _usable(item_id)
    if item.version != seen:
        raise StaleVersion(item.version)
    return item


def _append(item: items.Item, event: ItemCorrected) -> dict[str, Any]:
    try:
        done = event_log().append(
            item.id, event, expected_versions={item.id: item.version}
        )
    except VersionConflict as conflict:
        raise StaleVersion(conflict.version) from None
    except Withdrawn:
        raise WithdrawnItem from None
    return {
        "id": item.id,
        "position": done.last,
        "version": item.version + 1,
        "labels": list(event.labels),
    }
