"""Refusals in the OpenAPI documents: every operation names its own problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask
from flask_smorest import Api
from marshmallow import INCLUDE, Schema, fields

from incidentwire.web.operation_ids import name_operations
from incidentwire.web.problems import MEDIA_TYPE

OPEN = ("/healthz", "/readyz")  # these answer without a key
KEY_REFUSALS = {
    "401": "The key is missing or unknown",
    "403": "The key lacks the scope",
}
BODY_REFUSALS = {
    "400": "The body is not JSON",
    "413": "The body is too large",
    "415": "The Content-Type or Content-Encoding is not supported",
}
INVALID = "Invalid parameters or fields, each named"
CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


class FieldErrorSchema(Schema):
    field = fields.String(required=True)
    message = fields.String(required=True)


class ProblemSchema(Schema):
    """RFC 9457 problem details; some kinds carry more members, such as `log_id`, `first` and `last`."""

    class Meta:
        unknown = INCLUDE

    type = fields.String(
        required=True,
        metadata={"description": "urn:incidentwire:problem:<slug>; stable"},
    )
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String()
    errors = fields.List(
        fields.Nested(FieldErrorSchema),
        metadata={"description": "what is wrong, field by field"},
    )


def add_api(app: Flask, title: str, refusals: Mapping[str, str]) -> Api:
    """Return the Api to register blueprints with. Call problems.register afterwards.

    `refusals` (status -> meaning) are those of every operation, including 503.
    """
    app.config.update(
        API_TITLE=title,
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX=None,
    )
    api = Api(app)
    app.extensions["incidentwire.openapi"] = (api, refusals)
    api.DEFAULT_ERROR_RESPONSE_NAME = None  # every refusal is named by `document`
    api.spec.components.schema("Problem", schema=ProblemSchema)
    scheme = {
        "type": "http",
        "scheme": "bearer",
        "description": "an API key, see `incidentwire keys create`",
    }
    api.spec.components.security_scheme("key", scheme)
    return api


def document(app: Flask) -> dict[str, Any]:
    """Return the document of one service.

    Refusals that a view names itself (`alt_response`) are added to those of all.
    """
    api, refusals = app.extensions["incidentwire.openapi"]
    spec: dict[str, Any] = api.spec.to_dict()
    # No operation refers to them, and Python's versions name them differently.
    spec["components"].pop("responses", None)
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            if method != "parameters":
                _describe(operation, refusals, is_open=path in OPEN)
    name_operations(app, spec)
    return spec


def _describe(
    operation: dict[str, Any], refusals: Mapping[str, str], *, is_open: bool
) -> None:
    responses = {
        str(status): response for status, response in operation["responses"].items()
    }
    named = {
        status: response.get("description")
        for status, response in responses.items()
        if status >= "400"
    }
    if "422" in named:  # of flask-smorest, wherever there are arguments
        named["422"] = INVALID
    if is_open:
        named["503"] = refusals["503"]
    else:
        named |= (
            KEY_REFUSALS
            | dict(refusals)
            | (BODY_REFUSALS if "requestBody" in operation else {})
        )
    for status in sorted(named):
        responses[status] = {"description": named[status], "content": CONTENT}
    operation["responses"] = responses
    operation["security"] = [] if is_open else [{"key": []}]
