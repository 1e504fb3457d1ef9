"""Health checks of a web service: /healthz says alive, /readyz says able to serve.

Both answer without a key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gevent
import redis
from marshmallow import Schema, fields

from incidentwire import store
from incidentwire.web.blueprint import Blueprint, QuerySchema
from incidentwire.web.problems import RETRY_STORE_S, Problem

READY_TIMEOUT_S = 1.0  # a check that hangs tells a load balancer nothing
STORE_SILENT = "The store does not answer. Check that it runs and has memory."


class HealthSchema(Schema):
    """The answer of /healthz, and the base of what /readyz answers."""

    status = fields.String(required=True)


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """`facts` are shown either way; the service is ready if there are no `reasons`."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    reasons: Sequence[str] = ()


def make_blueprint(
    check: Callable[[], Readiness], ready_schema: type[HealthSchema]
) -> Blueprint:
    """Return a blueprint with /healthz and /readyz.

    `check` runs within the app's context; it may raise redis' errors of an outage.
    """
    blueprint = Blueprint("health", __name__, description="Health checks")

    @blueprint.route("/healthz", methods=["GET"])
    @blueprint.arguments(QuerySchema, location="query")
    @blueprint.response(200, HealthSchema)
    def healthz(query: dict[str, Any]) -> dict[str, str]:
        """Answer if the process is alive."""
        return {"status": "alive"}

    @blueprint.route("/readyz", methods=["GET"])
    @blueprint.arguments(QuerySchema, location="query")
    @blueprint.response(200, ready_schema)
    def readyz(query: dict[str, Any]) -> dict[str, Any]:
        """Answer 200 if the service can serve; else 503 with the reasons."""
        found = _checked(check)
        if found.reasons:
            raise Problem(
                status=503,
                slug="not-ready",
                detail=" ".join(found.reasons),
                retry_after_s=RETRY_STORE_S,
                more={"reasons": list(found.reasons), **found.facts},
            )
        return {"status": "ready", **found.facts}

    return blueprint


def _checked(check: Callable[[], Readiness]) -> Readiness:
    try:
        with gevent.Timeout(READY_TIMEOUT_S):
            return check()
    except gevent.Timeout:
        return Readiness(reasons=[STORE_SILENT])
    except redis.exceptions.RedisError as error:
        reason = store.outage_of(error)
        if reason is None:
            raise
        return Readiness(reasons=[store.MESSAGES[reason]])
