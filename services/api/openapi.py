"""The OpenAPI 3.1 document, and the page on which it can be browsed with a script that we serve ourselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import flask_swagger_ui
from flask import Blueprint, Flask, Response, current_app, render_template, send_from_directory
from flask_smorest import Api

from incidentwire.access import require
from incidentwire.problems import MEDIA_TYPE, Problem
from services.api.schemas import ProblemSchema

CONFIG = {"API_TITLE": "Incidentwire", "API_VERSION": "v1", "OPENAPI_VERSION": "3.1.0", "OPENAPI_URL_PREFIX": None}
OPEN = ("/healthz", "/readyz")  # these answer without a key
REFUSALS = {
    "401": "The key is missing or unknown",
    "403": "The key lacks the scope",
    "404": "There is nothing of this id or name",
    "409": "The position is of another log, or ahead of it",
    "410": "What was asked for is not kept any more",
    "422": "Parameters that cannot be accepted, each named",
    "503": "The store or the read model is away or behind, or this process is full",
}
BODY_REFUSALS = {"400": "The body is not JSON", "413": "The body is too large"}
SCRIPTS = Path(flask_swagger_ui.__file__).parent / "dist"
SERVED = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
CONTENT_SECURITY_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"

blueprint = Blueprint("openapi", __name__)


def add_api(app: Flask) -> Api:
    """Make the Api to which blueprints are registered. problems.register has to come after it."""
    app.config.update(CONFIG)
    api = Api(app)
    api.DEFAULT_ERROR_RESPONSE_NAME = None  # every refusal is named by `document`
    api.spec.components.schema("Problem", schema=ProblemSchema)
    scheme = {"type": "http", "scheme": "bearer", "description": "an API key: `incidentwire keys create`"}
    api.spec.components.security_scheme("key", scheme)
    app.extensions["incidentwire.openapi"] = api
    app.register_blueprint(blueprint)
    return api


def document(api: Api) -> dict[str, Any]:
    """The document; every operation says how it refuses, always as problem details."""
    spec: dict[str, Any] = api.spec.to_dict()
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            responses = {str(status): response for status, response in operation["responses"].items()}
            for status in ("422", "503") if path in OPEN else REFUSALS:
                responses[status] = {"description": REFUSALS[status], "content": problem}
            for status, description in BODY_REFUSALS.items() if "requestBody" in operation else ():
                responses[status] = {"description": description, "content": problem}
            operation["responses"] = responses
            operation["security"] = [] if path in OPEN else [{"key": []}]
    return spec


@blueprint.get("/openapi.json")
@require("read")
def openapi_json() -> dict[str, Any]:
    return document(cast("Api", current_app.extensions["incidentwire.openapi"]))


@blueprint.get("/docs")
@require("read")
def docs() -> Response:
    page = Response(render_template("docs.html"), mimetype="text/html")
    page.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return page


@blueprint.get("/docs/<name>")
@require("read")
def docs_file(name: str) -> Response:
    if name == "docs.js":
        return send_from_directory(Path(__file__).parent / "static", name)
    if name not in SERVED:
        raise Problem(status=404, slug="not-found", detail="no such file")
    return send_from_directory(SCRIPTS, name)
