"""The ingest app: what is wired to what."""

from __future__ import annotations

from typing import Any

import redis
from flask import Flask
from flask_smorest import Api

from incidentwire.settings import Settings
from incidentwire.web import auth, openapi, problems
from services.ingest import health, views
from services.ingest.feeds import views as feed_views
from services.ingest.schemas import SubmissionSchema
from services.ingest.submit import Submitter

OPENAPI = {
    "API_TITLE": "Incidentwire ingest",
    "API_VERSION": "v1",
    "OPENAPI_VERSION": "3.1.0",
}
REFUSALS = {
    "503": "The store is away or full, or too much is under way; nothing was accepted"
}


def create_app(settings: Settings, connection: redis.Redis) -> Flask:
    """The WSGI app. `connection` must not decode responses."""
    app = Flask(__name__, static_folder=None)
    app.config.update(OPENAPI)
    app.config.update(
        SETTINGS=settings, PUBLIC_READ=False, MAX_CONTENT_LENGTH=settings.max_body_bytes
    )
    app.extensions["incidentwire.keys"] = auth.Keys(connection)
    app.extensions["incidentwire.submitter"] = Submitter(settings, connection)
    api = Api(app)
    openapi.prepare(api)
    api.spec.components.schema("Submission", schema=SubmissionSchema)
    for blueprint in (health.blueprint, views.blueprint, feed_views.blueprint):
        api.register_blueprint(blueprint)
    problems.register(app, {})

    @app.get("/openapi.json")
    @auth.require("submit")
    def openapi_document() -> dict[str, Any]:
        return openapi.document(api, REFUSALS)

    return app
