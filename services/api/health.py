"""Is the process alive, is it ready, and what does it count? The first two answer without a key."""

from __future__ import annotations

import os
from typing import Any, cast

import redis
from flask import Response, current_app
from marshmallow import Schema, fields
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from incidentwire.log.event_log import EventLog
from incidentwire.web.auth import require
from incidentwire.web.problems import Problem
from services.api import stats
from services.api.events.broadcaster import Broadcaster
from services.api.http import Blueprint, QuerySchema
from services.api.read_model.reader import Reader

MAX_LAG = 10_000  # events behind which answers are too old to be sent anybody's way

blueprint = Blueprint("health", __name__, description="Health and numbers")


class HealthSchema(Schema):
    status = fields.String(required=True)


class ReadySchema(HealthSchema):
    log_last = fields.Integer(
        required=True, metadata={"description": "last position of the log"}
    )
    position = fields.Integer(
        required=True, metadata={"description": "last position of the read model"}
    )
    lag = fields.Integer(
        required=True, metadata={"description": "events between the two"}
    )
    conservation = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "items unaccounted for; null while there is a lag"},
    )


class StatsSchema(Schema):
    states = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    labels = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    submitted = fields.Integer(required=True)
    in_flight = fields.Integer(required=True)
    conservation = fields.Integer(required=True, allow_none=True)
    log_id = fields.String(required=True)
    log_last = fields.Integer(required=True)
    position = fields.Integer(required=True)
    lag = fields.Integer(required=True)
    open_streams = fields.Integer(
        required=True, metadata={"description": "of the process that answers"}
    )


@blueprint.route("/healthz", methods=["GET"])
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, HealthSchema)
def alive(query: dict[str, Any]) -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@blueprint.route("/readyz", methods=["GET"])
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, ReadySchema)
def ready(query: dict[str, Any]) -> dict[str, Any]:
    """The store answers, its log is whole, and the read model is up with it.

    Items unaccounted for are told and do not make it unready: taking the API away would mend nothing.
    """
    found, reasons = _look()
    if reasons:
        more = {"reasons": reasons, **found}
        raise Problem(
            status=503,
            slug="not-ready",
            detail="; ".join(reasons),
            retry_after_s=2,
            more=more,
        )
    return {"status": "ready", **found}


@blueprint.route("/v1/stats", methods=["GET"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, StatsSchema)
def numbers(query: dict[str, Any]) -> dict[str, Any]:
    """Items by state and label, and how far the read model is."""
    found = stats.gather(_reader(), _connection())
    return {
        "states": dict(found.states),
        "labels": dict(found.labels),
        "submitted": found.submitted,
        "in_flight": found.in_flight,
        "conservation": found.conservation,
        "log_id": found.log_id,
        "log_last": found.last,
        "position": found.position,
        "lag": found.lag,
        "open_streams": _hub().open,
    }


@blueprint.route("/metrics", methods=["GET"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.alt_response(
    200, schema={"type": "string"}, content_type="text/plain", success=True
)
def metrics(query: dict[str, Any]) -> Response:
    """The same numbers for Prometheus; scrape it with a key of scope `read`."""
    found, registry = stats.gather(_reader(), _connection()), CollectorRegistry()

    def gauge(name: str, doc: str, value: float | None, **labels: str) -> None:
        metric = gauges.get(name) or Gauge(
            f"incidentwire_{name}", doc, tuple(labels), registry=registry
        )
        gauges[name] = metric
        (metric.labels(**labels) if labels else metric).set(
            float("nan") if value is None else value
        )

    gauges: dict[str, Gauge] = {}
    for state, count in found.states.items():
        gauge("items", "Items by state", count, state=state)
    for label, count in found.labels.items():
        gauge("labelled_items", "Items by label that counts", count, label=label)
    gauge("submitted_items", "Items ever handed in", found.submitted)
    gauge("in_flight_items", "Items that wait for an answer", found.in_flight)
    gauge(
        "conservation_difference",
        "Items unaccounted for; NaN while the read model lags",
        found.conservation,
    )
    gauge("log_last_position", "Last position of the log", found.last)
    gauge("read_model_position", "Last position of the read model", found.position)
    gauge(
        "read_model_lag_events",
        "Events that the read model has still to take in",
        found.lag,
    )
    gauge(
        "open_streams",
        "Open event streams of one process",
        _hub().open,
        process=str(os.getpid()),
    )
    return Response(generate_latest(registry), 200, content_type=CONTENT_TYPE_LATEST)


def _look() -> tuple[dict[str, Any], list[str]]:
    """(what is known, why we are not ready)."""
    reasons = [_hub().failure] if _hub().failure else []
    try:
        is_whole = EventLog(_connection()).is_gapless()
        found = stats.gather(_reader(), _connection())
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
        return {}, [*reasons, "the store does not answer"]
    except Problem as problem:
        return {}, [*reasons, problem.detail]
    if not is_whole:
        reasons.append("positions are missing from the log: restore it from a backup")
    if found.log_id != EventLog(_connection()).id or found.lag < 0:
        reasons.append(
            "the read model is of another log: the projector is to rebuild it"
        )
    elif found.lag > MAX_LAG:
        reasons.append(f"the read model is {found.lag} events behind the log")
    known = {
        "log_last": found.last,
        "position": found.position,
        "lag": found.lag,
        "conservation": found.conservation,
    }
    return known, reasons


def _reader() -> Reader:
    return cast("Reader", current_app.extensions["incidentwire.reader"])


def _connection() -> redis.Redis:
    return cast("redis.Redis", current_app.extensions["incidentwire.connection"])


def _hub() -> Broadcaster:
    return cast("Broadcaster", current_app.extensions["incidentwire.hub"])
