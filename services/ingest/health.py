"""Health checks: is this service able to accept submissions?"""

from __future__ import annotations

from typing import cast

from flask import current_app
from marshmallow import fields

from incidentwire.log.event_log import EventLog
from incidentwire.web.health import HealthSchema, Readiness, make_blueprint

GAP = "Positions are missing from the log. Restore a backup, see docs/operations."


class IngestReadySchema(HealthSchema):
    """The answer of /readyz."""

    log_last = fields.Integer(
        required=True, metadata={"description": "last position of the log"}
    )


def check() -> Readiness:
    """Ask whether the store answers and its log has no gap."""
    log = cast("EventLog", current_app.extensions["incidentwire.submitter"].log)
    reasons = [] if log.is_gapless() else [GAP]
    return Readiness(facts={"log_last": log.last()}, reasons=reasons)


blueprint = make_blueprint(check, IngestReadySchema)
