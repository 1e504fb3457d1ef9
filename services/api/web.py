"""The process api-web: `python -m services.api.web`. Streams and queries on one port."""

from __future__ import annotations

import signal
from types import FrameType
from typing import TYPE_CHECKING, Any

from incidentwire.settings import Settings
from incidentwire.telemetry import configure_logging
from incidentwire.web import server

if TYPE_CHECKING:
    from flask import Flask

STORE_CONNECTIONS = 64  # per process; thousands of subscribers share them
STORE_WAIT_S = 20


def make_app(settings: Settings) -> Flask:
    """Return the app. Runs in the worker, so imports here see patched sockets."""
    import gevent
    import redis

    from incidentwire.store import request_options
    from services.api.app import create_app

    configure_logging(settings.log_level, "api-web")
    pool = redis.BlockingConnectionPool.from_url(
        settings.redis_url,
        max_connections=STORE_CONNECTIONS,
        timeout=STORE_WAIT_S,
        **request_options(),
    )
    app = create_app(
        settings,
        redis.Redis(connection_pool=pool),
        run=gevent.get_hub().threadpool.apply,
    )
    _end_streams_on_sigterm(app)
    return app


def _end_streams_on_sigterm(app: Flask) -> None:
    """End all streams on SIGTERM; else a graceful stop would wait for them in vain."""
    import gevent

    before: Any = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: FrameType | None) -> None:
        gevent.spawn(app.extensions["incidentwire.broadcaster"].stop)
        before(number, frame)

    signal.signal(signal.SIGTERM, stop)


main = server.command(make_app, port=8000)

if __name__ == "__main__":
    main()
