"""What may be handed in, and what is answered. The OpenAPI document is made from these."""

from __future__ import annotations

import re
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

from incidentwire.net import urls

LANGUAGE = re.compile(r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")
MAX_TITLE = 1000  # characters
MAX_TEXT = 1_000_000  # characters: five long novels; a body of max_body_bytes holds it in any script


def clean_text(value: str) -> None:
    """Refuse what is no text: NUL and lone surrogates cannot be stored as UTF-8 or searched."""
    if "\x00" in value:
        raise ValidationError("contains a NUL character: remove it")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValidationError(
            "contains a lone surrogate: send well-formed Unicode"
        ) from None


def a_url(value: str) -> None:
    """Refuse what cannot be an item's URL; the message says what to send instead."""
    clean_text(value)
    try:
        urls.canonicalize(value)
    except urls.UrlError as error:
        raise ValidationError(str(error)) from None


MONTH = re.compile(r"\d{4}-\d{2}")  # for a publisher who says no more


def a_date(value: str) -> None:
    try:
        datetime.fromisoformat(f"{value}-01" if MONTH.fullmatch(value) else value)
    except ValueError:
        raise ValidationError(
            "is no ISO 8601 date: use 2026-05-31, 2026-05 or 2026-05-31T10:00:00Z"
        ) from None


class StrictSchema(Schema):
    """Unknown fields are errors, said in words that help."""

    error_messages = {  # noqa: RUF012  # marshmallow declares it an instance variable
        "unknown": "is no field of a submission: remove it",
        "type": 'must be a JSON object such as {"url": "https://…"}',
    }


class SubmissionSchema(StrictSchema):
    """A news item: a URL, a text, or both (then the text is used and the URL names the item)."""

    url = fields.String(
        validate=a_url,
        metadata={"description": "http or https", "example": "https://example.org/a"},
    )
    text = fields.String(
        validate=[validate.Length(min=1, max=MAX_TEXT), clean_text],
        metadata={
            "description": "the whole article, where there is no URL or its page cannot be had"
        },
    )
    title = fields.String(validate=[validate.Length(max=MAX_TITLE), clean_text])
    published = fields.String(
        validate=a_date,
        metadata={"description": "ISO 8601 date, date and time, or year and month"},
    )
    language = fields.String(
        validate=validate.Regexp(
            LANGUAGE, error="is no language code: use en, zh, de …"
        )
    )

    @validates_schema
    def has_something(self, data: dict[str, Any], **_: Any) -> None:
        if not data.get("url") and not data.get("text"):
            raise ValidationError("send a url, a text, or both", "url")
        if "text" in data and not data["text"].strip():
            raise ValidationError("is blank: send the article's text", "text")

    @post_load
    def shorten(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if data.get("language"):
            data["language"] = re.split(r"[-_]", data["language"].lower())[0]
        return data


class AcceptedSchema(Schema):
    """Where the item stands in the log, and where its receipt is."""

    id = fields.String(required=True, metadata={"example": "i_mfrggzdfmztwq2lkmfrg"})
    position = fields.Integer(
        required=True, metadata={"description": "of the event that handed it in"}
    )
    known = fields.Boolean(
        required=True,
        metadata={"description": "it was here already; nothing was added"},
    )
    receipt = fields.String(
        required=True, metadata={"example": "/v1/submissions/i_mfrggzdfmztwq2lkmfrg"}
    )


class BulkLineSchema(AcceptedSchema):
    """One line of the answer to an NDJSON body."""

    line = fields.Integer(
        required=True, metadata={"description": "of the request body, from 1"}
    )
    status = fields.Integer(
        required=True,
        metadata={"description": "what a single submission would have got"},
    )


class ReceiptEventSchema(Schema):
    position = fields.Integer(required=True)
    type = fields.String(required=True)
    time = fields.String(required=True)
    reason = fields.String()
    detail = fields.String()


class ReceiptSchema(Schema):
    """What a submitter can see of their item, at any time, folded from the item's own events."""

    id = fields.String(required=True)
    state = fields.String(
        required=True,
        validate=validate.OneOf(
            ["queued", "waiting", "classified", "rejected", "aliased", "withdrawn"]
        ),
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
