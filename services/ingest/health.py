"""Health checks: the two addresses that answer without a key."""

from __future__ import annotations

from typing import Any, cast

import redis
from flask import current_app
from flask_smorest import Blueprint
from marshmallow import Schema, fields

from incidentwire.log.event_log import EventLog
from incidentwire.web.problems import Problem

blueprint = Blueprint("health", __name__, description="Health checks")


class HealthSchema(Schema):
    status = fields.String(required=True)


class ReadySchema(HealthSchema):
    log_last = fields.Integer(
        required=True, metadata={"description": "last position of the log"}
    )


@blueprint.route("/healthz", methods=["GET"])
@blueprint.response(200, HealthSchema)
def alive() -> dict[str, str]:
    """Answer if the process is alive."""
    return {"status": "alive"}


@blueprint.route("/readyz", methods=["GET"])
@blueprint.response(200, ReadySchema)
def ready() -> dict[str, Any]:
    """Answer if the store does, and its log has no gap."""
    log = cast("EventLog", current_app.extensions["incidentwire.submitter"].log)
    try:
        is_gapless = log.is_gapless()
        last = log.last()
    except redis.exceptions.ConnectionError as error:
        raise Problem(
            status=503, slug="store-unreachable", detail=str(error), retry_after_s=2
        ) from None
    if not is_gapless:
        detail = (
            "Positions are missing from the log. Restore a backup, see docs/operations."
        )
        raise Problem(status=503, slug="log-not-whole", detail=detail)
    return {"status": "ready", "log_last": last}
