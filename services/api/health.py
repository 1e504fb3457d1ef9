"""Health checks, statistics and metrics of the API."""

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
from incidentwire.web.health import HealthSchema, Readiness
from services.api import stats
from services.api.errors import Unavailable
from services.api.events.broadcaster import Broadcaster
from services.api.http import Blueprint, QuerySchema, reader
from services.api.read_model import database
from services.api.stats import Stats

MAX_LAG = 10_000  # events; further behind, answers are too old to be served

blueprint = Blueprint(
    "stats", __name__, description="Statistics and Prometheus metrics"
)


class ReadySchema(HealthSchema):
    """How far the read model has followed the log."""

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
    """Counts of items, and how far the read model has followed the log."""

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


@blueprint.route("/v1/stats", methods=["GET"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, StatsSchema)
def show_stats(query: dict[str, Any]) -> dict[str, Any]:
    """Count items by state and label, and say how far the read model is."""
    found = stats.gather(reader(), _connection())
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
        "open_streams": _broadcaster().open,
    }


@blueprint.route("/metrics", methods=["GET"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.alt_response(
    200, schema={"type": "string"}, content_type="text/plain", success=True
)
def metrics(query: dict[str, Any]) -> Response:
    """Serve the same numbers to Prometheus, for a key with the scope `read`."""
    registry = CollectorRegistry()
    _fill(registry, stats.gather(reader(), _connection()))
    return Response(generate_latest(registry), 200, content_type=CONTENT_TYPE_LATEST)


def check() -> Readiness:
    """Return whether the store answers, its log is whole and the read model is near."""
    broadcaster = _broadcaster()
    reasons = [broadcaster.failure] if broadcaster.failure else []
    probe = cast("redis.Redis", current_app.extensions["incidentwire.probe"])
    log = EventLog(probe)
    try:
        is_whole = log.is_gapless()
        found = stats.gather(reader(), probe)
        mismatch = reader().read(database.checkpoint).log_position.mismatch(log)
        reader().check()
    except Unavailable as error:
        return Readiness(reasons=[*reasons, str(error)])
    if not is_whole:
        reasons.append("Positions are missing from the log. Restore it from a backup.")
    if mismatch:
        reasons.append(f"The read model must be rebuilt: {mismatch}.")
    elif found.lag > MAX_LAG:
        reasons.append(f"The read model is {found.lag} events behind the log.")
    facts = {
        "log_last": found.last,
        "position": found.position,
        "lag": found.lag,
        "conservation": found.conservation,
    }
    return Readiness(facts=facts, reasons=reasons)


def _fill(registry: CollectorRegistry, found: Stats) -> None:
    items = Gauge("incidentwire_items", "Items by state", ("state",), registry=registry)
    for state, count in found.states.items():
        items.labels(state).set(count)
    labelled = Gauge(
        "incidentwire_labelled_items",
        "Items by effective label",
        ("label",),
        registry=registry,
    )
    for label, count in found.labels.items():
        labelled.labels(label).set(count)
    drift = Gauge(
        "incidentwire_label_drift",
        "Population stability index of a label: newest 1,000 classified items against"
        " all; from 0.25 look at the model",
        ("label",),
        registry=registry,
    )
    for label, index in found.drift.items():
        drift.labels(label).set(index)
    conservation = found.conservation
    numbers = (
        ("submitted_items", "Items ever submitted", found.submitted),
        ("in_flight_items", "Items waiting for an outcome", found.in_flight),
        (
            "conservation_difference",
            "Items unaccounted for; NaN while the read model lags",
            float("nan") if conservation is None else conservation,
        ),
        ("log_last_position", "Last position of the log", found.last),
        ("read_model_position", "Last position of the read model", found.position),
        ("read_model_lag_events", "Events not yet in the read model", found.lag),
    )
    for name, doc, value in numbers:
        Gauge(f"incidentwire_{name}", doc, registry=registry).set(value)
    streams = Gauge(
        "incidentwire_open_streams",
        "Open event streams of one process",
        ("process",),
        registry=registry,
    )
    streams.labels(str(os.getpid())).set(_broadcaster().open)


def _connection() -> redis.Redis:
    return cast("redis.Redis", current_app.extensions["incidentwire.connection"])


def _broadcaster() -> Broadcaster:
    return cast("Broadcaster", current_app.extensions["incidentwire.broadcaster"])
