"""The OpenAPI 3.1 document, and a page to browse it with self-hosted scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import flask_swagger_ui
from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    render_template,
    send_from_directory,
)
from flask_smorest import Api

from incidentwire.web import openapi
from incidentwire.web.auth import require
from services.api.errors import NotFound

CONFIG = {
    "API_TITLE": "Incidentwire",
    "API_VERSION": "v1",
    "OPENAPI_VERSION": "3.1.0",
    "OPENAPI_URL_PREFIX": None,
}
REFUSALS = {
    "400": "The request is not well-formed",
    "404": "Nothing of this id or name exists",
    "409": "The position is of another log or ahead of it, or a version is stale",
    "410": "The content was withdrawn or has expired",
    "414": "The request line is too long",
    "503": "The store or the read model is unavailable or behind, or this process is full",
}
SCRIPTS = Path(flask_swagger_ui.__file__).parent / "dist"
SERVED = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
)

blueprint = Blueprint("openapi", __name__)


def add_api(app: Flask) -> Api:
    """Return the Api to register blueprints with. Call problems.register afterwards."""
    app.config.update(CONFIG)
    api = Api(app)
    openapi.prepare(api)
    app.extensions["incidentwire.openapi"] = api
    app.register_blueprint(blueprint)
    return api


@blueprint.get("/openapi.json")
@require("read")
def openapi_json() -> dict[str, Any]:
    api = cast("Api", current_app.extensions["incidentwire.openapi"])
    return openapi.document(api, REFUSALS)


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
        raise NotFound("No such file.")
    return send_from_directory(SCRIPTS, name)
