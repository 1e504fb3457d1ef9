"""The HTTP side of handing in: POST /v1/submissions, the receipt, and retries."""

from __future__ import annotations

import json
from typing import Any, cast

from flask import Response, current_app, g, request
from flask_smorest import Blueprint
from marshmallow import ValidationError

from incidentwire import items
from incidentwire.log import cloudevents
from incidentwire.log.event_log import EventLog
from incidentwire.telemetry import traceparent_from
from incidentwire.web.auth import require
from incidentwire.web.problems import Problem, field_errors
from services.ingest import bulk
from services.ingest.schemas import AcceptedSchema, ReceiptSchema, SubmissionSchema
from services.ingest.submit import Submission, SubmissionOutcome, Submitter

NDJSON = "application/x-ndjson"
TOO_DEEP = "the JSON is nested too deeply: a submission is one flat object"

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

blueprint = Blueprint(
    "submissions", __name__, url_prefix="/v1", description="Hand in news items"
)
_schema = SubmissionSchema()


@blueprint.route("/submissions", methods=["POST"])
@blueprint.response(202, AcceptedSchema, description="Accepted, and on disk")
@blueprint.alt_response(
    200,
    schema=AcceptedSchema,
    description="Known already; or one result per NDJSON line",
)
@blueprint.alt_response(
    409, description="The item changed while a text was handed in for it"
)
@blueprint.alt_response(415, description="The body's media type is none of those named")
@blueprint.alt_response(422)
@blueprint.doc(requestBody=BODY)
@require("submit")
def submit() -> Any:
    """Hand in one item as JSON, or up to 10,000 as NDJSON."""
    if request.mimetype == NDJSON:
        return _submit_bulk()
    if request.mimetype != "application/json":
        detail = (
            f"send Content-Type: application/json, or {NDJSON} for one item per line"
        )
        raise Problem(status=415, slug="unsupported-media-type", detail=detail)
    outcome = _submit([read(request.get_data())])[0]
    body = json.dumps(bulk.accepted(outcome))
    headers = {"Location": f"/v1/submissions/{outcome.id}"}
    return Response(
        body, 200 if outcome.known else 202, headers, mimetype="application/json"
    )


@blueprint.route("/submissions/<item_id>", methods=["GET"])
@blueprint.response(200, ReceiptSchema)
@blueprint.alt_response(404, description=UNKNOWN)
@require("submit")
def receipt(item_id: str) -> dict[str, Any]:
    """The receipt of an item: where it stands, and its history."""
    return _receipt(item_id)


@blueprint.route("/submissions/<item_id>/retry", methods=["POST"])
@blueprint.response(202, AcceptedSchema)
@blueprint.alt_response(404, description=UNKNOWN)
@blueprint.alt_response(409, description="The item is in flight, or changed meanwhile")
@blueprint.alt_response(410, description="The item was withdrawn")
@require("submit")
def retry(item_id: str) -> dict[str, Any]:
    """Ask for the item's page to be fetched again."""
    position = _submitter().retry(item_id, g.who)
    return bulk.accepted(SubmissionOutcome(id=item_id, position=position, known=False))


def read(raw: bytes) -> Submission:
    """A submission from one JSON object. Raises Problem 400 for what is no JSON, 422 naming each bad field."""
    try:
        data = json.loads(raw)
    except RecursionError:
        raise Problem(status=400, slug="malformed-json", detail=TOO_DEEP) from None
    except UnicodeDecodeError:
        raise Problem(
            status=400, slug="malformed-json", detail="the body is not UTF-8"
        ) from None
    except ValueError as error:
        raise Problem(
            status=400, slug="malformed-json", detail=f"the body is not JSON: {error}"
        ) from None
    try:
        return Submission.of(cast("dict[str, Any]", _schema.load(data)))
    except ValidationError as error:
        detail = "the submission has fields that cannot be accepted"
        errors = field_errors(error.messages)
        raise Problem(
            status=422, slug="invalid-fields", detail=detail, errors=errors
        ) from None


def _submit_bulk() -> Response:
    settings = current_app.config["SETTINGS"]
    _submitter().refuse_when_overloaded()
    request.max_content_length = settings.max_bulk_bytes
    body = bulk.spool(request.stream)
    submitter, via, trace = (
        _submitter(),
        g.who,
        traceparent_from(request.headers.get("traceparent")),
    )

    def submit_chunk(submissions: Any) -> list[SubmissionOutcome]:
        return submitter.submit_many(submissions, via=via, traceparent=trace)

    lines = bulk.results(body, read, submit_chunk, settings.max_bulk_items)
    return Response(lines, 200, mimetype=NDJSON)


def _submit(submissions: list[Submission]) -> list[SubmissionOutcome]:
    trace = traceparent_from(request.headers.get("traceparent"))
    return _submitter().submit_many(submissions, via=g.who, traceparent=trace)


def _submitter() -> Submitter:
    return cast("Submitter", current_app.extensions["incidentwire.submitter"])


def _receipt(item_id: str) -> dict[str, Any]:
    log: EventLog = _submitter().log
    history = log.history(item_id)
    item = items.fold_all(item_id, history)
    if item.version == 0:
        raise Problem(status=404, slug="unknown-item", detail="no item has this id")
    rows = []
    for entry in history:
        event = entry.event
        row = {
            "position": entry.position,
            "type": event.type,
            "time": cloudevents.rfc3339(entry.time_ms),
        }
        for name in ("reason", "detail"):
            if value := getattr(event, name, ""):
                row[name] = value
        rows.append(row)
    return {
        "id": item.id,
        "state": str(item.state),
        "url": item.url,
        "position": history[-1].position,
        "reason": item.reason,
        "detail": item.detail or None,
        "retryable": item.retryable,
        "next_try": item.next_try,
        "attempt": item.attempt,
        "labels": list(item.labels),
        "alias_of": item.alias_of,
        "history": rows,
    }
