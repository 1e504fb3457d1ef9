"""The process ingest-web: `python -m services.ingest.web`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incidentwire.settings import Settings
from incidentwire.telemetry import configure_logging
from incidentwire.web import server

if TYPE_CHECKING:
    from flask import Flask


def make_app(settings: Settings) -> Flask:
    """Return the app. Runs in the worker: imports here see gevent's patched sockets."""
    import gevent
    import redis

    from incidentwire.store import request_options
    from services.ingest.app import create_app

    configure_logging(settings.log_level, "ingest-web")
    connection = redis.Redis.from_url(settings.redis_url, **request_options())
    return create_app(settings, connection, run=gevent.get_hub().threadpool.apply)


main = server.command(make_app, port=8001)

if __name__ == "__main__":
    main()
