"""The api app: what is wired to what."""

from __future__ import annotations

import redis
from flask import Flask

from incidentwire.archive import Archive
from incidentwire.log.codec import UnknownType
from incidentwire.settings import Settings
from incidentwire.web import auth, problems
from incidentwire.web.problems import as_problem
from services.api import health, openapi
from services.api.events import stream
from services.api.events import views as event_views
from services.api.events.broadcaster import Broadcaster
from services.api.incidents import commands, exports, history
from services.api.incidents import views as incident_views
from services.api.incidents.state_cache import StateCache
from services.api.items import corrections, evidence
from services.api.items import views as item_views
from services.api.read_model.checkpoint import NAME, IncidentCheckpoint
from services.api.read_model.reader import Executor, Reader, run_here

PROBLEMS: problems.ProblemTable = {UnknownType: as_problem(503, "log-is-newer")}

BLUEPRINTS = (
    event_views.blueprint, stream.blueprint, item_views.blueprint, corrections.blueprint, evidence.blueprint,
    exports.blueprint, incident_views.blueprint, history.blueprint, commands.blueprint, health.blueprint,
)  # fmt: skip


def create_app(
    settings: Settings, connection: redis.Redis, *, run: Executor = run_here
) -> Flask:
    """The WSGI app. `connection` must not decode responses; `run` executes queries of the read model."""
    app = Flask(__name__, static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # nothing answers without a key
    app.config.update(
        PUBLIC_READ=settings.public_read, MAX_CONTENT_LENGTH=settings.max_body_bytes
    )
    app.extensions["incidentwire.connection"] = connection
    app.extensions["incidentwire.keys"] = auth.Keys(connection)
    app.extensions["incidentwire.archive"] = Archive(settings.archive)
    app.extensions["incidentwire.reader"] = Reader(settings.read_model, run)
    app.extensions["incidentwire.hub"] = Broadcaster(
        connection, heartbeat_s=settings.heartbeat_s, max_streams=settings.max_streams
    )
    app.extensions["incidentwire.memory"] = StateCache(
        connection, IncidentCheckpoint(settings.read_model.with_name(NAME)), run
    )
    api = openapi.add_api(app)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
    problems.register(app, PROBLEMS)
    return app
