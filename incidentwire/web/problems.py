"""Errors over HTTP: RFC 9457 `application/problem+json`, field by field for bad input.

The domain raises named errors. Each app has one table that says which problem each of
them is, and hands it to `register`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import islice
from typing import Any, cast

import redis
from flask import Flask, Response, current_app
from gunicorn.http.errors import NoMoreData, ParseException
from werkzeug.exceptions import HTTPException

from incidentwire import archive, store
from incidentwire.store import StoreOutage
from incidentwire.telemetry import event_line

MEDIA_TYPE = "application/problem+json"
RETRY_STORE_S = 2  # a restarted store answers again within seconds
RETRY_FULL_S = 60  # somebody has to make room first
MAX_FIELD_ERRORS = 20  # an answer must not grow with a hostile body
MAX_FIELD_NAME = 200  # characters of a field's name that are repeated
INVALID_FIELDS = "Some fields are invalid. See `errors` for each of them."
OWN_WORDS = {  # instead of the framework's, which are written for a browser
    404: "There is no such path at this service: /v1/submissions and /v1/feeds are at ingest"
    " (port 8001), all others at the API (port 8000). /docs lists them.",
    405: "This path has other methods: see the header Allow, or /docs.",
}
HEADERS = ("Allow", "Retry-After", "WWW-Authenticate", "Accept", "Accept-Encoding")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """One invalid field: `field` is a dotted path, `message` names the remedy."""

    field: str
    message: str


# Not frozen: contextlib sets __traceback__ on an exception that passes through it.
@dataclass(kw_only=True, eq=False)
class Problem(Exception):
    """An error as the client sees it. `slug` is stable and names the kind."""

    status: int
    slug: str
    detail: str = ""
    errors: Sequence[FieldError] = ()
    retry_after_s: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the problem details object."""
        body: dict[str, Any] = {
            "type": f"urn:incidentwire:problem:{self.slug}",
            "title": HTTPStatus(self.status).phrase,
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
        """Return the problem as an HTTP response."""
        headers = dict(self.headers)
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        # ASCII only: a field name with a lone surrogate has no UTF-8 form.
        body = json.dumps(self.body())
        return Response(body, self.status, headers, mimetype=MEDIA_TYPE)


MakeProblem = Callable[[Any], Problem]
ProblemTable = Mapping[type[Exception], MakeProblem]


def as_problem(
    status: int, slug: str, *, retry_after_s: int | None = None
) -> MakeProblem:
    """Return the maker of problems whose detail is the error's own message.

    Attributes of the error that a client needs (`log_id`, `version` …) are listed in
    its `more` mapping, if it has one.
    """

    def make(error: Exception) -> Problem:
        return Problem(
            status=status,
            slug=slug,
            detail=str(error),
            retry_after_s=retry_after_s,
            more=getattr(error, "more", {}),
        )

    return make


def problem_of(error: Exception, table: ProblemTable | None = None) -> Problem | None:
    """Return the problem that the table says this error is, or None.

    Without a table, that of the current app is used.
    """
    if isinstance(error, Problem):
        return error
    if table is None:
        table = current_app.extensions["incidentwire.problems"]
    for kind in type(error).__mro__:
        if make := table.get(kind):
            return make(error)
    return None


def outage_problem(error: Exception) -> Problem | None:
    """Return the problem of an outage of store or archive, None for other errors."""
    if outage := archive.outage_of(error):
        slug = "storage-unavailable"
        retry_after_s = RETRY_FULL_S
        detail = str(outage)
    elif reason := store.outage_of(error):
        is_full = reason is StoreOutage.FULL
        slug = "store-full" if is_full else "store-unreachable"
        retry_after_s = RETRY_FULL_S if is_full else RETRY_STORE_S
        detail = store.MESSAGES[reason]
    else:
        return None
    return Problem(
        status=503,
        slug=slug,
        detail=f"{detail} Nothing was accepted. Try again.",
        retry_after_s=retry_after_s,
    )


def invalid_fields(errors: Sequence[FieldError]) -> Problem:
    """Return the problem of a request with invalid fields."""
    return Problem(
        status=422, slug="invalid-fields", detail=INVALID_FIELDS, errors=errors
    )


def field_errors(messages: Any) -> list[FieldError]:
    """Flatten marshmallow's nested messages; at most MAX_FIELD_ERRORS of them."""
    return list(islice(_flat(messages, ""), MAX_FIELD_ERRORS))


def _flat(messages: Any, path: str) -> Iterator[FieldError]:
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            yield from _flat(inner, _join(path, key))
        return
    texts = messages if isinstance(messages, list) else [messages]
    for text in texts:
        yield FieldError(field=path or "(body)", message=str(text))


def _join(path: str, key: object) -> str:
    if key in ("_schema", "json", "query", "headers", "path"):
        return path
    name = str(key)[:MAX_FIELD_NAME]
    return f"{path}.{name}" if path else name


def register(app: Flask, table: ProblemTable) -> None:
    """Answer every error of the app as a problem.

    `table` says which problem each named error of the domain is; an entry for a base
    class also covers its subclasses. No stack trace leaves the process. Call this
    after flask-smorest's Api, which registers a handler of its own.
    """
    app.extensions["incidentwire.problems"] = table
    for kind, make in table.items():
        app.register_error_handler(kind, _responder(make))
    app.register_error_handler(Problem, Problem.response)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(store.StoreUnavailable, _outage)
    app.register_error_handler(redis.exceptions.RedisError, _outage)
    app.register_error_handler(ParseException, _malformed_body)
    app.register_error_handler(NoMoreData, _malformed_body)
    app.register_error_handler(OSError, _outage)
    app.register_error_handler(Exception, _unexpected)


def _responder(make: MakeProblem) -> Callable[[Exception], Response]:
    def respond(error: Exception) -> Response:
        problem = make(error)
        if problem.status >= 500:
            logger.error(event_line(problem.slug, error=str(error)))
        return problem.response()

    return respond


def http_error(error: HTTPException) -> Response:
    if error.code is not None and error.code < 400:  # a redirect is not an error
        return cast("Response", error.get_response())
    # webargs puts the messages of a 422 into `data`.
    data = getattr(error, "data", None) or {}
    if data.get("messages"):
        problem = invalid_fields(field_errors(data["messages"]))
    else:
        status = HTTPStatus(error.code or 500)
        slug = status.phrase.lower().replace(" ", "-")
        detail = OWN_WORDS.get(status, error.description or "")
        problem = Problem(status=status, slug=slug, detail=detail)
    response = problem.response()
    for name, value in [*error.get_headers(), *(data.get("headers") or {}).items()]:
        if name in HEADERS:
            response.headers[name] = value
    return response


def _malformed_body(error: Exception) -> Response:
    """Answer what gunicorn finds wrong with a chunked body while it is read."""
    return Problem(
        status=400,
        slug="malformed-body",
        detail="The body is not valid chunked coding, or ends early. Send it again.",
    ).response()


def _outage(error: Exception) -> Response:
    """Answer an outage of store or archive, which ends by itself, with 503."""
    problem = outage_problem(error)
    if problem is None:
        return _unexpected(error)
    logger.error(event_line(problem.slug, error=str(error)))
    return problem.response()


def _unexpected(error: Exception) -> Response:
    logger.error(event_line("request failed", error=repr(error)), exc_info=error)
    return Problem(
        status=500, slug="internal", detail="Internal error. It has been logged."
    ).response()
