"""The process ingest-web: `python -m services.ingest.web`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from incidentwire.settings import Settings, from_env
from incidentwire.telemetry import configure_logging
from incidentwire.web import server

if TYPE_CHECKING:
    from flask import Flask


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8001, show_default=True)
@click.option("--workers", default=1, show_default=True)
def main(host: str, port: int, workers: int) -> None:
    """Serve POST /v1/submissions."""
    settings = from_env()
    server.serve(
        lambda: make_app(settings),
        host=host,
        port=port,
        workers=workers,
        log_level=settings.log_level,
        trusted_proxies=settings.trusted_proxies,
    )


def make_app(settings: Settings) -> Flask:
    """Return the app. Runs in the worker: imports here see gevent's patched sockets."""
    import gevent
    import redis

    from incidentwire.store import request_options
    from services.ingest.app import create_app

    configure_logging(settings.log_level, "ingest-web")
    connection = redis.Redis.from_url(settings.redis_url, **request_options())
    return create_app(settings, connection, run=gevent.get_hub().threadpool.apply)


if __name__ == "__main__":
    main()
