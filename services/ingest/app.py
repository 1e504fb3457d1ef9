"""The ingest app: what is wired to what."""

from __future__ import annotations

from typing import Any

import redis
from flask import Flask
from flask_smorest import Api

from incidentwire import access, problems
from incidentwire.settings import Settings
from services.ingest import feed_views, health, views
from services.ingest.schemas import ProblemSchema, SubmissionSchema
from services.ingest.submit import Submitter

OPENAPI = {
    "API_TITLE": "Incidentwire ingest",
    "API_VERSION": "v1",
    "OPENAPI_VERSION": "3.1.0",
}


def create_app(settings: Settings, connection: redis.Redis) -> Flask:
    """The WSGI app. `connection` must not decode responses."""
    app = Flask(__name__, static_folder=None)
    app.config.update(OPENAPI)
    app.config.update(SETTINGS=settings, PUBLIC_READ=False, MAX_CONTENT_LENGTH=settings.max_body_bytes)
    app.extensions["incidentwire.keys"] = access.Keys(connection)
    app.extensions["incidentwire.submitter"] = Submitter(settings, connection)
    api = Api(app)
    _describe(api)
    for blueprint in (health.blueprint, views.blueprint, feed_views.blueprint):
        api.register_blueprint(blueprint)
    problems.register(app)

    @app.get("/openapi.json")
    @access.require("submit")
    def openapi() -> dict[str, Any]:
        spec: dict[str, Any] = api.spec.to_dict()
        return _with_problems(spec)

    return app


def _describe(api: Any) -> None:
    api.spec.components.schema("Submission", schema=SubmissionSchema)
    api.spec.components.schema("Problem", schema=ProblemSchema)
    scheme = {"type": "http", "scheme": "bearer", "description": "an API key, see `incidentwire keys create`"}
    api.spec.components.security_scheme("key", scheme)


def _with_problems(spec: dict[str, Any]) -> dict[str, Any]:
    """Say of every operation how it refuses: always problem details."""
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            statuses = ["503"] if path in ("/healthz", "/readyz") else REFUSALS[method]
            statuses = statuses + [s for s in operation["responses"] if s == "422" and s not in statuses]
            for status in statuses:
                operation["responses"][status] = {"description": DESCRIPTIONS[status], "content": problem}
            if path not in ("/healthz", "/readyz"):
                operation["security"] = [{"key": []}]
            if path == "/v1/submissions" and method == "post":
                operation["requestBody"] = BODY
    return spec


DESCRIPTIONS = {
    "400": "The body is not JSON",
    "401": "The key is missing or unknown",
    "403": "The key lacks the scope",
    "404": "There is no such item or feed",
    "409": "The item is in flight, or changed meanwhile",
    "410": "The item was withdrawn",
    "413": "The body is too large",
    "415": "The body's media type is none of those named",
    "422": "Fields that cannot be accepted, each named",
    "503": "The store is away or full, or too much is under way; nothing was accepted",
}
REFUSALS = {
    "get": ["401", "403", "404", "503"],
    "delete": ["401", "403", "404", "503"],
    "post": ["400", "401", "403", "404", "409", "410", "413", "415", "422", "503"],
}
BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/Submission"}},
        "application/x-ndjson": {"schema": {"type": "string", "description": "one submission per line"}},
    },
}
