"""What may be submitted, and what is answered. The OpenAPI document derives from this."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from marshmallow import (
    Schema,
    ValidationError,
    fields,
    post_load,
    validate,
    validates_schema,
)

from incidentwire.net.urls import UrlError
from incidentwire.web.text_checks import clean
from services.ingest.submission import SubmissionOutcome, WebAddress

LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,8}\Z")  # RFC 5646
MONTH = re.compile(r"\d{4}-\d{2}")  # some publishers say no more
MAX_TITLE = 1000  # characters
MAX_TEXT = 1_000_000  # characters: five long novels


def check_date(value: str) -> None:
    """Refuse anything but an ISO 8601 date, date and time, or year and month."""
    try:
        datetime.fromisoformat(f"{value}-01" if MONTH.fullmatch(value) else value)
    except ValueError:
        raise ValidationError(
            "Not an ISO 8601 date. Use 2026-05-31, 2026-05 or 2026-05-31T10:00:00Z."
        ) from None


class AddressField(fields.String):
    """A URL, deserialised to a WebAddress: it is canonicalised here and nowhere else."""

    def _deserialize(self, *args: Any, **kwargs: Any) -> Any:
        # Blanks and line breaks around it come from copying, not from the writer.
        text = (
            super()
            ._deserialize(*args, **kwargs)
            .strip(" \t\r\n\u00a0\u200b\u3000\ufeff")
        )
        clean(text)
        try:
            return WebAddress.of(text)
        except UrlError as error:
            raise ValidationError(str(error)) from None


class StrictSchema(Schema):
    """A schema that refuses unknown fields in words that help."""

    error_messages = {  # noqa: RUF012  # marshmallow declares it an instance variable
        "unknown": "Unknown field. Remove it.",
        "type": 'Not a JSON object. Send one such as {"url": "https://…"}.',
    }


class SubmissionSchema(StrictSchema):
    """A news item: a URL, a text, or both (then the URL names the item)."""

    url = AddressField(
        metadata={"description": "http or https", "example": "https://example.org/a"},
    )
    text = fields.String(
        validate=[validate.Length(min=1, max=MAX_TEXT), clean],
        metadata={
            "description": "the whole article, if it has no URL or its page cannot be "
            "fetched"
        },
    )
    title = fields.String(validate=[validate.Length(max=MAX_TITLE), clean])
    published = fields.String(
        validate=check_date,
        metadata={"description": "ISO 8601 date, date and time, or year and month"},
    )
    language = fields.String(
        validate=validate.Regexp(
            LANGUAGE, error="Not a language code. Use en, zh, de …"
        )
    )

    @validates_schema
    def has_content(self, data: dict[str, Any], **_: Any) -> None:
        """Require a URL or a text that is not blank."""
        if not data.get("url") and not data.get("text"):
            raise ValidationError("Missing. Send a url, a text, or both.", "url")
        if "text" in data and not data["text"].strip():
            raise ValidationError("Blank. Send the article's text.", "text")

    @post_load
    def name_parts(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Return the arguments of Submission.of."""
        if "url" in data:
            data["address"] = data.pop("url")
        if data.get("language"):
            data["language"] = re.split(r"[-_]", data["language"].lower())[0]
        return data


class AcceptedSchema(Schema):
    """Where the item is in the log, and where its receipt is."""

    id = fields.String(required=True, metadata={"example": "i_mfrggzdfmztwq2lkmfrg"})
    position = fields.Integer(
        required=True, metadata={"description": "of the event of this submission"}
    )
    known = fields.Boolean(
        required=True,
        metadata={
            "description": "the item was known already; nothing was added (a text is "
            "added only if no page, person or other submitter's text counts)"
        },
    )
    receipt = fields.String(
        required=True, metadata={"example": "/v1/submissions/i_mfrggzdfmztwq2lkmfrg"}
    )


def accepted(outcome: SubmissionOutcome) -> dict[str, Any]:
    """Return an outcome in the form of AcceptedSchema."""
    return {
        "id": outcome.id,
        "position": outcome.position,
        "known": outcome.known,
        "receipt": receipt_path(outcome.id),
    }


def receipt_path(item_id: str) -> str:
    """Return the path of an item's receipt."""
    return f"/v1/submissions/{item_id}"


def accepted_status(outcome: SubmissionOutcome) -> int:
    """Return 200 for an item that was known, 202 for one that was accepted now."""
    return 200 if outcome.known else 202


class ReceiptEventSchema(Schema):
    """One event of the item. `reason` and `detail` are there if the event has them."""

    position = fields.Integer(required=True)
    type = fields.String(required=True)
    time = fields.String(required=True)
    reason = fields.String()
    detail = fields.String()


class ReceiptSchema(Schema):
    """What a submitter can see of an item at any time, folded from its own events."""

    id = fields.String(required=True)
    state = fields.String(
        required=True,
        validate=validate.OneOf(
            ["queued", "waiting", "classified", "rejected", "aliased", "withdrawn"]
        ),
    )
    stage = fields.String(
        allow_none=True,
        validate=validate.OneOf(["fetching", "waiting", "working"]),
        metadata={
            "description": "of an item in flight: its page is fetched or queued for it, "
            "it waits for its next attempt, or a worker has it or will"
        },
    )
    url = fields.String(allow_none=True)
    position = fields.Integer(
        required=True, metadata={"description": "of the item's last event"}
    )
    reason = fields.String(
        allow_none=True,
        metadata={"description": "why it waits or was rejected: a stable slug"},
    )
    detail = fields.String(allow_none=True)
    retryable = fields.Boolean(
        required=True, metadata={"description": "a retry may help"}
    )
    next_try = fields.String(allow_none=True)
    attempt = fields.Integer(
        required=True, metadata={"description": "failed attempts so far"}
    )
    labels = fields.List(fields.String(), required=True)
    alias_of = fields.String(allow_none=True)
    history = fields.List(fields.Nested(ReceiptEventSchema), required=True)


def submission_fields(data: Any) -> Mapping[str, Any]:
    """Return the arguments of Submission.of. Raises marshmallow.ValidationError."""
    loaded: Mapping[str, Any] = _SUBMISSION.load(data)
    return loaded


_SUBMISSION = SubmissionSchema()
