"""People correct labels: POST and DELETE /v1/items/<id>/labels. What they set stands over the model."""

from __future__ import annotations

from typing import Any, cast

from flask import current_app, g
from marshmallow import Schema, ValidationError, fields, validate, validates

from incidentwire import items
from incidentwire.events import ItemCorrected
from incidentwire.labels import LABELS, Label
from incidentwire.log.event_log import EventLog, VersionConflict, Withdrawn
from incidentwire.web.auth import require
from incidentwire.web.problems import Problem
from services.api.http import Blueprint, WholeNumber, clean

MAX_NOTE = 2000  # characters

blueprint = Blueprint(
    "corrections", __name__, url_prefix="/v1", description="People correct labels"
)


class WithdrawCorrectionSchema(Schema):
    """Which version of the item was looked at, so that nobody overrides what they have not seen."""

    error_messages = {"unknown": "is no field of a correction: remove it"}  # noqa: RUF012
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
            raise ValidationError("names a label twice: name each once")


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
    """Set the labels of an item; they stay until somebody takes the correction back."""
    item = _item(item_id, body["version"])
    labels = cast(
        "tuple[Label, ...]", tuple(label for label in LABELS if label in body["labels"])
    )
    event = ItemCorrected(
        who=g.who, labels=labels, labels_before=item.labels, note=body["note"]
    )
    return _append(item, event)


@blueprint.route("/items/<item_id>/labels", methods=["DELETE"])
@require("curate")
@blueprint.arguments(WithdrawCorrectionSchema)
@blueprint.response(200, CorrectedSchema)
def take_back(body: dict[str, Any], item_id: str) -> dict[str, Any]:
    """Take a correction back: the model's labels count again."""
    item = _item(item_id, body["version"])
    if item.corrected is None:
        raise Problem(
            status=409, slug="not-corrected", detail="nobody has corrected this item"
        )
    event = ItemCorrected(
        who=g.who,
        labels=item.model_labels,
        labels_before=item.labels,
        withdrawn=True,
        note=body["note"],
    )
    return _append(item, event)


def _log() -> EventLog:
    return EventLog(current_app.extensions["incidentwire.connection"])


def _item(item_id: str, seen: int) -> items.Item:
    """The item at the version that was seen. Raises Problem 404, 409 or 410."""
    item = (
        items.fold_all(item_id, _log().history(item_id))
        if item_id.startswith("i_")
        else items.Item(id=item_id)
    )
    if item.version == 0:
        raise Problem(status=404, slug="unknown-item", detail="no item has this id")
    if item.state is items.State.WITHDRAWN:
        raise Problem(status=410, slug="withdrawn", detail="the item was withdrawn")
    if item.alias_of:
        detail = f"the item is an alias: correct {item.alias_of}"
        raise Problem(
            status=409, slug="alias", detail=detail, more={"alias_of": item.alias_of}
        )
    if item.version != seen:
        raise _stale(item.version)
    return item


def _append(item: items.Item, event: ItemCorrected) -> dict[str, Any]:
    try:
        done = _log().append(item.id, event, expected_versions={item.id: item.version})
    except VersionConflict as conflict:
        raise _stale(conflict.version) from None
    except Withdrawn:
        raise Problem(
            status=410, slug="withdrawn", detail="the item was withdrawn"
        ) from None
    return {
        "id": item.id,
        "position": done.last,
        "version": item.version + 1,
        "labels": list(event.labels),
    }


def _stale(version: int) -> Problem:
    detail = f"the item is at version {version} by now: look at it again, then decide"
    return Problem(status=409, slug="stale", detail=detail, more={"version": version})
