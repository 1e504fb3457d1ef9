"""Errors over HTTP: RFC 9457 `application/problem+json` everywhere, field by field for bad input."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

import redis
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from incidentwire.telemetry import event_line

MEDIA_TYPE = "application/problem+json"
RETRY_STORE_S = 2  # a store that restarts answers again within seconds

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """What is wrong with one field: `field` is a dotted path, `message` names the remedy."""

    field: str
    message: str


@dataclass(
    kw_only=True, eq=False
)  # not frozen: contextlib sets __traceback__ on what passes through it
class Problem(Exception):
    """Raised by views; becomes the answer. `slug` is stable and names the kind of problem."""

    status: int
    slug: str
    detail: str = ""
    errors: Sequence[FieldError] = ()
    retry_after_s: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The problem details object."""
        title = HTTPStatus(self.status).phrase
        body: dict[str, Any] = {
            "type": f"urn:incidentwire:problem:{self.slug}",
            "title": title,
            "status": self.status,
        }
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = [
                {"field": e.field, "message": e.message} for e in self.errors
            ]
        return {**body, **self.more}

    def response(self) -> Response:
        headers = (
            {"Retry-After": str(self.retry_after_s)}
            if self.retry_after_s is not None
            else None
        )
        return Response(
            json.dumps(self.body()), self.status, headers, mimetype=MEDIA_TYPE
        )


def field_errors(messages: Any, path: str = "") -> list[FieldError]:
    """marshmallow's nested messages as a flat list."""
    if isinstance(messages, Mapping):
        return [
            e
            for key, inner in messages.items()
            for e in field_errors(inner, _join(path, key))
        ]
    if isinstance(messages, list) and all(isinstance(m, str) for m in messages):
        return [FieldError(field=path or "(body)", message=m) for m in messages]
    return [FieldError(field=path or "(body)", message=str(messages))]


def _join(path: str, key: object) -> str:
    if key in ("_schema", "json", "query", "headers", "path"):
        return path
    return f"{path}.{key}" if path else str(key)


def register(app: Flask) -> None:
    """Answer every error of the app as a problem. No stack trace leaves; what is ours to mend is logged with it."""

    def problem(error: Problem) -> Response:
        return error.response()

    def http_error(error: HTTPException) -> Response:
        if error.code is not None and error.code < 400:  # a redirect is no error
            return cast("Response", error.get_response())
        data = (
            getattr(error, "data", None) or {}
        )  # webargs puts the messages of a 422 here
        errors = field_errors(data["messages"]) if data.get("messages") else []
        status = error.code or 500
        phrase = HTTPStatus(status).phrase.lower().replace(" ", "-")
        detail = (
            "the request has fields that cannot be accepted"
            if errors
            else (error.description or "")
        )
        answer = Problem(
            status=status,
            slug="invalid-fields" if errors else phrase,
            detail=detail,
            errors=errors,
        )
        response = answer.response()
        for name, value in [*error.get_headers(), *(data.get("headers") or {}).items()]:
            if name in ("Allow", "Retry-After", "WWW-Authenticate"):
                response.headers[name] = value
        return response

    def store_away(error: Exception) -> Response:
        logger.error(event_line("store unreachable", error=str(error)))
        detail = "the store does not answer; nothing was accepted, try again"
        return Problem(
            status=503,
            slug="store-unreachable",
            detail=detail,
            retry_after_s=RETRY_STORE_S,
        ).response()

    def store_full(error: redis.exceptions.OutOfMemoryError) -> Response:
        logger.error(event_line("store full", error=str(error)))
        detail = "the store is full; nothing was accepted, try later"
        return Problem(
            status=503, slug="store-full", detail=detail, retry_after_s=60
        ).response()

    def unexpected(error: Exception) -> Response:
        logger.error(event_line("request failed", error=repr(error)), exc_info=error)
        return Problem(
            status=500, slug="internal", detail="an error of ours; it has been logged"
        ).response()

    app.register_error_handler(Problem, problem)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(redis.exceptions.OutOfMemoryError, store_full)
    app.register_error_handler(redis.exceptions.ConnectionError, store_away)
    app.register_error_handler(redis.exceptions.TimeoutError, store_away)
    app.register_error_handler(Exception, unexpected)
