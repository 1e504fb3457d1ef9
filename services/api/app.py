"""The WSGI app of the API: what is wired to what."""

from __future__ import annotations

import redis
from flask import Flask
from gevent.lock import BoundedSemaphore

from incidentwire import store
from incidentwire.archive import Archive
from incidentwire.executor import Executor, run_here
from incidentwire.net.client import HttpClient
from incidentwire.settings import Settings
from incidentwire.web import auth, health, openapi, problems, request_hooks
from incidentwire.web.api_docs import views as api_docs
from incidentwire.web.keys import Keys
from services.api import health as api_health
from services.api.dashboard.register import add_pages
from services.api.entities import views as entity_views
from services.api.events import stream
from services.api.events import views as event_views
from services.api.events.broadcaster import Broadcaster
from services.api.incidents import commands, exports, history
from services.api.incidents import views as incident_views
from services.api.incidents.state_cache import StateCache
from services.api.items import corrections, evidence
from services.api.items import views as item_views
from services.api.problem_table import PROBLEMS
from services.api.read_model.checkpoint import NAME, IncidentCheckpoint
from services.api.read_model.reader import Reader
from services.api.search import views as search_views
from services.api.subscriptions import groups, links
from services.api.subscriptions import views as subscription_views
from services.api.topics import views as topic_views

MAX_BODY_BYTES = 1_000_000  # commands are short; submissions go to ingest
MAX_RENDITIONS = 4  # at once: the thread pool also serves queries

BLUEPRINTS = (
    event_views.blueprint,
    stream.blueprint,
    item_views.blueprint,
    corrections.blueprint,
    entity_views.blueprint,
    topic_views.blueprint,
    evidence.blueprint,
    search_views.blueprint,
    exports.blueprint,
    incident_views.blueprint,
    history.blueprint,
    commands.blueprint,
    api_health.blueprint,
    subscription_views.blueprint,
    links.blueprint,
    groups.blueprint,
)

REFUSALS = {
    "400": "The request is not well-formed",
    "404": "Nothing of this id or name exists",
    "409": "The position is of another log or ahead of it, or a version is stale",
    "410": "The content was withdrawn or has expired",
    "414": "The request line is too long",
    "503": "The store or the read model is unavailable or behind, or this process is full",
}


def create_app(
    settings: Settings, connection: redis.Redis, *, run: Executor = run_here
) -> Flask:
    """Return the WSGI app.

    `connection` must not decode responses; `run` executes queries of the read model.
    """
    app = Flask(__name__, static_folder=None)
    request_hooks.register(app, settings)
    app.config.update(
        PUBLIC_READ=settings.public_read, MAX_CONTENT_LENGTH=MAX_BODY_BYTES
    )
    _add_parts(app, settings, connection, run)
    api = openapi.add_api(app, "Incidentwire", REFUSALS)
    app.register_blueprint(api_docs.make_blueprint(settings))
    checks = health.make_blueprint(api_health.check, api_health.ReadySchema)
    for blueprint in (*BLUEPRINTS, checks):
        api.register_blueprint(blueprint)
    problems.register(app, {**PROBLEMS, **subscription_views.PROBLEMS})
    add_pages(app)
    return app


def _add_parts(
    app: Flask, settings: Settings, connection: redis.Redis, run: Executor
) -> None:
    app.extensions["incidentwire.settings"] = settings
    app.extensions["incidentwire.connection"] = connection
    app.extensions["incidentwire.client"] = HttpClient.of(settings)
    app.extensions["incidentwire.probe"] = store.probe(connection)
    app.extensions["incidentwire.keys"] = Keys(connection)
    app.extensions["incidentwire.archive"] = Archive(settings.archive)
    app.extensions["incidentwire.reader"] = Reader(settings.read_model, run)
    app.extensions["incidentwire.renditions"] = BoundedSemaphore(MAX_RENDITIONS)
    app.extensions["incidentwire.broadcaster"] = Broadcaster(
        connection,
        heartbeat_s=settings.heartbeat_s,
        max_streams=settings.max_streams,
        max_streams_per_key=settings.max_streams_per_key,
        find_revoked=auth.find_revoked(app),
    )
    checkpoint = IncidentCheckpoint(settings.read_model.with_name(NAME))
    app.extensions["incidentwire.memory"] = StateCache(connection, checkpoint, run)
