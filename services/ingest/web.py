"""The process ingest-web: `python -m services.ingest.web`."""

from __future__ import annotations

import click
from flask import Flask

from incidentwire import serving
from incidentwire.settings import from_env
from incidentwire.store import connect
from incidentwire.telemetry import configure_logging
from services.ingest.app import create_app


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8001, show_default=True)
@click.option("--workers", default=1, show_default=True)
def main(host: str, port: int, workers: int) -> None:
    """Serve POST /v1/submissions."""
    settings = from_env()

    def make_app() -> Flask:
        configure_logging(settings.log_level, "ingest-web")
        return create_app(settings, connect(settings.redis_url))

    serving.serve(make_app, host=host, port=port, workers=workers, log_level=settings.log_level)


if __name__ == "__main__":
    main()
