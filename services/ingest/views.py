"""The HTTP side of submissions: POST /v1/submissions, receipts and retries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import gevent
from flask import (
    Response,
    copy_current_request_context,
    current_app,
    g,
    request,
)
from marshmallow import ValidationError

from incidentwire import items, queue
from incidentwire.net.destinations import refusal
from incidentwire.telemetry import traceparent_from
from incidentwire.web import json_body
from incidentwire.web.auth import authorize, require
from incidentwire.web.blueprint import Blueprint
from incidentwire.web.problems import Problem, field_errors, invalid_fields
from services.ingest import bulk, ownership
from services.ingest.large_bodies import TimeSlice, TimeSlices
from services.ingest.quota import ITEMS, REQUESTS, WINDOW_S, Allowance, Quota
from services.ingest.receipt import receipt_of
from services.ingest.schemas import (
    AcceptedSchema,
    ReceiptSchema,
    accepted,
    accepted_status,
    receipt_path,
    submission_fields,
)
from services.ingest.submission import Submission, SubmissionOutcome, WebAddress
from services.ingest.submit import Submitter

NDJSON = "application/x-ndjson"
MAX_VALUES = 100  # in a submission, which has five; each unknown field costs time
# Names of the same format: tools disagree, and none is registered.
NDJSON_TYPES = frozenset(
    f"{top_level}/{prefix}{name}"
    for top_level in ("application", "text")
    for prefix in ("", "x-")
    for name in ("ndjson", "jsonl", "jsonlines", "json-lines")
)
BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/Submission"}},
        NDJSON: {
            "schema": {"type": "string", "description": "one submission per line"}
        },
    },
}
UNKNOWN = "There is no such item"
READERS = ("read", "curate")  # scopes that see every receipt

blueprint = Blueprint(
    "submissions", __name__, url_prefix="/v1", description="Submit news items"
)


@blueprint.route("/submissions", methods=["POST"])
@blueprint.response(202, AcceptedSchema, description="Accepted, and on disk")
@blueprint.alt_response(
    200,
    schema=AcceptedSchema,
    description="Known already; or one result per NDJSON line",
)
@blueprint.alt_response(408, description="The body did not arrive in time")
@blueprint.alt_response(409, description="The item changed while its text was supplied")
@blueprint.alt_response(415, description="The body's media type is none of those named")
@blueprint.alt_response(422)
@blueprint.alt_response(429, description="The key sent too many texts or requests")
@blueprint.doc(requestBody=BODY)
@require("submit")
def submit() -> Any:
    """Submit one item as JSON, or up to 10,000 as NDJSON."""
    _take(REQUESTS)
    if request.mimetype in NDJSON_TYPES:
        return _submit_bulk()
    if request.mimetype != "application/json":
        raise Problem(
            status=415,
            slug="unsupported-media-type",
            detail=f"Send Content-Type: application/json, or {NDJSON} for one item "
            "per line.",
        )
    settings = current_app.config["SETTINGS"]
    body = _body(settings.max_body_bytes)
    with _time_slices().take(body.size) as time_slice:
        try:
            submission = read(body.read(), settings.allowed_hosts)
        finally:
            time_slice.pause()
        _take(ITEMS)
        outcome = _submit(submission)
    return Response(
        json.dumps(accepted(outcome)),
        accepted_status(outcome),
        {"Location": receipt_path(outcome.id)},
        mimetype="application/json",
    )


@blueprint.route("/submissions/<item_id>", methods=["GET"])
@blueprint.response(200, ReceiptSchema)
@blueprint.alt_response(404, description=UNKNOWN)
@require("submit", *READERS)
def receipt(item_id: str) -> dict[str, Any]:
    """Show the receipt of an item: its state and its history.

    For the keys that submitted it, and for keys with the scope read or curate.
    """
    history = _submitter().history(item_id)
    if g.who not in ownership.submitters(history):
        authorize(READERS)
    item = items.fold_all(item_id, history)
    return receipt_of(item, history, queue.stage(_submitter().log.connection, item))


@blueprint.route("/submissions/<item_id>/retry", methods=["POST"])
@blueprint.response(202, AcceptedSchema)
@blueprint.alt_response(404, description=UNKNOWN)
@blueprint.alt_response(409, description="The item is in flight, or changed meanwhile")
@blueprint.alt_response(410, description="The item was withdrawn")
@blueprint.alt_response(429, description="The key asked for the item too often")
@require("submit", "curate")
def retry(item_id: str) -> dict[str, Any]:
    """Ask for the item's page to be fetched again.

    For the keys that submitted it, and for keys with the scope curate.
    """
    if g.who not in ownership.submitters(_submitter().history(item_id)):
        authorize(("curate",))
    _take(REQUESTS)
    position = _submitter().retry(item_id, g.who)
    return accepted(SubmissionOutcome(id=item_id, position=position, known=False))


def read(raw: bytes, allowed_hosts: frozenset[str]) -> Submission:
    """Return the submission in a JSON object; `allowed_hosts` may be private.

    Raises Problem 400 for a body that is not JSON, and 422 naming each invalid field.
    """
    data = json_body.parse(raw, MAX_VALUES)
    try:
        submission = Submission.of(**submission_fields(data))
    except ValidationError as error:
        raise invalid_fields(field_errors(error.messages)) from None
    if submission.address and not submission.text:
        _check_destination(submission.address, allowed_hosts)
    return submission


def _check_destination(address: WebAddress, allowed_hosts: frozenset[str]) -> None:
    """Refuse an address that will never be fetched. Raises Problem 422."""
    refused = refusal(address.parts, allowed_hosts)
    if refused is not None:
        remedy = (
            "Send the text of the page, or let the operator list the host in"
            " INCIDENTWIRE_ALLOWED_HOSTS"
        )
        raise invalid_fields(field_errors({"url": [f"{refused.detail}. {remedy}."]}))


def _submit_bulk() -> Response:
    settings = current_app.config["SETTINGS"]
    submitter = _submitter()
    submitter.admission.admit()
    via = g.who
    trace = traceparent_from(request.headers.get("traceparent"))

    quota = _quota()
    allowances = _allowances()

    def submit_chunk(submissions: Sequence[Submission]) -> list[SubmissionOutcome]:
        allowances[ITEMS] = quota.take(via, ITEMS, len(submissions))
        return submitter.submit_many(submissions, via=via, traceparent=trace)

    handler = bulk.BulkHandler(
        read=partial(read, allowed_hosts=settings.allowed_hosts),
        submit=submit_chunk,
        refusal=copy_current_request_context(_refusal),
        max_items=settings.max_bulk_items,
        time_slices=_time_slices(),
    )
    body = _body(settings.max_bulk_bytes)
    try:
        lines = handler.results(body)
    except BaseException:
        body.file.close()
        raise
    response = Response(lines, 200, mimetype=NDJSON)
    response.call_on_close(body.file.close)
    return response


@blueprint.after_request
def add_quota_headers(response: Response) -> Response:
    """Say what is left of the key's quotas (draft-ietf-httpapi-ratelimit-headers)."""
    allowances = [a for a in _allowances().values() if a]
    if allowances:
        response.headers["RateLimit-Policy"] = ", ".join(
            f'"{a.kind}";q={a.limit};w={WINDOW_S}' for a in allowances
        )
        response.headers["RateLimit"] = ", ".join(
            f'"{a.kind}";r={a.left};t={a.reset_s}' for a in allowances
        )
    return response


def _take(kind: str) -> None:
    _allowances()[kind] = _quota().take(g.who, kind)


def _time_slices() -> TimeSlices:
    return cast("TimeSlices", current_app.extensions["incidentwire.time_slices"])


def _allowances() -> dict[str, Allowance | None]:
    """Return what this request has taken of the key's quotas, by kind."""
    if "allowances" not in g:
        g.allowances = {}
    return cast("dict[str, Allowance | None]", g.allowances)


def _quota() -> Quota:
    return cast("Quota", current_app.extensions["incidentwire.quota"])


def _body(max_bytes: int) -> bulk.Body:
    with _body_deadline(), json_body.body_stream(request, max_bytes) as stream:
        return bulk.spool(stream, TimeSlice())


@contextmanager
def _body_deadline() -> Iterator[None]:
    """Raise Problem 408 if the body has not arrived within `body_timeout_s`."""
    timeout = gevent.Timeout(current_app.config["SETTINGS"].body_timeout_s)
    try:
        with timeout:
            yield
    except gevent.Timeout as expired:
        if expired is not timeout:
            raise
        raise Problem(
            status=408,
            slug="body-timeout",
            detail=f"The body did not arrive within {timeout.seconds:g} s. "
            "Send it faster, or in smaller parts.",
        ) from None


def _refusal(error: Exception) -> Problem:
    """Return the problem that a single submission would get for this error."""
    response = cast("Response", current_app.handle_user_exception(error))
    body = json.loads(response.get_data())
    slug = body["type"].rpartition(":")[2]
    return Problem(status=body["status"], slug=slug, detail=body.get("detail", ""))


def _submit(submission: Submission) -> SubmissionOutcome:
    [outcome] = _submitter().submit_many(
        [submission],
        via=g.who,
        bulk=not _quota().is_prompt(g.who),
        traceparent=traceparent_from(request.headers.get("traceparent")),
    )
    return outcome


def _submitter() -> Submitter:
    return cast("Submitter", current_app.extensions["incidentwire.submitter"])
