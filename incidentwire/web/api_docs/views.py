"""One OpenAPI document for both services, an AsyncAPI document, and a page; without a key.

`make docs` writes openapi.json from the views of both services. They hold no data.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import flask_swagger_ui
from flask import Blueprint, Response, abort, redirect, send_from_directory

from incidentwire.settings import Settings
from incidentwire.web.api_docs import asyncapi
from incidentwire.web.api_docs.merge import API_SERVER, INGEST_SERVER
from incidentwire.web.auth import public

HERE = Path(__file__).parent
DOCUMENT = HERE / "openapi.json"
SCRIPTS = Path(flask_swagger_ui.__file__).parent / "dist"
SERVED = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self' {origins}"
)


def make_blueprint(settings: Settings, *, is_front: bool = False) -> Blueprint:
    """Return the views of both documents, `/docs`, and the scripts of that page.

    With `is_front`, for a service without pages, `/` leads to `/docs`.
    """
    document = _document(settings)
    messages = asyncapi.document(settings.api_url)
    page = (HERE / "docs.html").read_text(encoding="utf-8")
    origins = {_origin(settings.api_url), _origin(settings.ingest_url)}
    policy = POLICY.format(origins=" ".join(sorted(origins)))
    blueprint = Blueprint("api_docs", __name__)

    @blueprint.get("/openapi.json")
    @public
    def openapi_json() -> dict[str, Any]:
        return document

    @blueprint.get("/asyncapi.json")
    @public
    def asyncapi_json() -> dict[str, Any]:
        return messages

    @blueprint.get("/docs")
    @public
    def docs() -> Response:
        answer = Response(page, mimetype="text/html")
        answer.headers["Content-Security-Policy"] = policy
        return answer

    @blueprint.get("/docs/<name>")
    @public
    def docs_file(name: str) -> Response:
        if name == "docs.js":
            return send_from_directory(HERE, name)
        if name not in SERVED:
            abort(404)
        return send_from_directory(SCRIPTS, name)

    if is_front:

        @blueprint.get("/")
        @public
        def front() -> Any:
            return redirect("docs")

    return blueprint


def _document(settings: Settings) -> dict[str, Any]:
    """Return the document with the addresses of this installation."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for server, url in (
        (API_SERVER, settings.api_url),
        (INGEST_SERVER, settings.ingest_url),
    ):
        text = text.replace(json.dumps(server), json.dumps(url.rstrip("/")))
    document: dict[str, Any] = json.loads(text)
    return document


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
