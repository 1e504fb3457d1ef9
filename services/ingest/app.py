"""The ingest app: its parts, wired together, and which problem each error is."""

from __future__ import annotations

import redis
from flask import Flask

from incidentwire.executor import Executor, run_here
from incidentwire.log.event_log import Withdrawn
from incidentwire.net.rate_limit import HostBusy
from incidentwire.settings import Settings
from incidentwire.web import openapi, problems, request_hooks
from incidentwire.web.api_docs import views as api_docs
from incidentwire.web.keys import Keys
from incidentwire.web.problems import as_problem
from incidentwire.web.sessions import SessionStore
from services.ingest import admission, errors, health, views
from services.ingest.feeds import views as feed_views
from services.ingest.feeds.store import FeedStore
from services.ingest.large_bodies import TimeSlices
from services.ingest.quota import Quota
from services.ingest.schemas import SubmissionSchema
from services.ingest.submit import Submitter

REFUSALS = {
    "503": "The store is unavailable or full, or too much is in flight. Nothing was accepted"
}
RETRY_LIMITED_S = 3_600
HOST_RETRY_S = 10


def _quota_problem(error: errors.QuotaExceeded) -> problems.Problem:
    return problems.Problem(
        status=429,
        slug="quota-exceeded",
        detail=str(error),
        retry_after_s=error.retry_after_s,
    )


PROBLEMS: problems.ProblemTable = {
    errors.Overloaded: as_problem(503, "overloaded", retry_after_s=admission.RETRY_S),
    errors.UnknownReceipt: as_problem(404, "unknown-item"),
    errors.UnknownFeed: as_problem(404, "unknown-feed"),
    HostBusy: as_problem(503, "host-busy", retry_after_s=HOST_RETRY_S),
    errors.ItemInFlight: as_problem(409, "in-flight"),
    errors.ItemChanged: as_problem(409, "changed"),
    errors.ItemIsWithdrawn: as_problem(410, "withdrawn"),
    errors.TooManyRequests: as_problem(
        429, "too-many-requests", retry_after_s=RETRY_LIMITED_S
    ),
    errors.QuotaExceeded: _quota_problem,
    Withdrawn: as_problem(410, "withdrawn"),
}


def create_app(
    settings: Settings, connection: redis.Redis, *, run: Executor = run_here
) -> Flask:
    """Return the WSGI app.

    `connection` must not decode responses; `run` executes what waits for the disk.
    """
    app = Flask(__name__, static_folder=None)
    request_hooks.register(app, settings)
    app.config.update(
        SETTINGS=settings, PUBLIC_READ=False, MAX_CONTENT_LENGTH=settings.max_body_bytes
    )
    app.extensions["incidentwire.keys"] = Keys(connection)
    app.extensions["incidentwire.sessions"] = SessionStore(connection)
    app.extensions["incidentwire.submitter"] = Submitter(settings, connection, run)
    app.extensions["incidentwire.time_slices"] = TimeSlices()
    app.extensions["incidentwire.quota"] = Quota(settings, connection)
    app.extensions["incidentwire.feeds"] = FeedStore(connection)
    api = openapi.add_api(app, "Incidentwire ingest", REFUSALS)
    app.register_blueprint(api_docs.make_blueprint(settings, is_front=True))
    api.spec.components.schema("Submission", schema=SubmissionSchema)
    for blueprint in (health.blueprint, views.blueprint, feed_views.blueprint):
        api.register_blueprint(blueprint)
    problems.register(app, PROBLEMS)
    return app
