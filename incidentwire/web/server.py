"""Serve a Flask app by gunicorn with gevent.

So waiting for the store or for a slow client occupies no thread. `command` makes the
command of a web process.
"""

from __future__ import annotations

import gc
import resource
from collections.abc import Callable
from typing import Any

import click
from flask import Flask
from gunicorn.app.base import BaseApplication

from incidentwire.settings import Settings, from_env

# Longer than the 60 s of common proxies, so that they close idle connections first.
KEEPALIVE_S = 75


class _Server(BaseApplication):
    def __init__(self, make_app: Callable[[], Flask], options: dict[str, Any]) -> None:
        self.make_app = make_app
        self.options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        app = self.make_app()  # in the worker, after the fork and gevent's patching
        # The app lives as long as the process. A full collection that walked it would
        # hold every request for about 70 ms.
        gc.freeze()
        return app


def command(make_app: Callable[[Settings], Flask], port: int) -> click.Command:
    """Return the command that serves an app until SIGTERM; `port` is the default.

    `make_app` runs once in each worker.
    """

    @click.command(help="Serve HTTP until SIGTERM.")
    @click.option("--host", default="127.0.0.1", show_default=True)
    @click.option("--port", default=port, show_default=True)
    @click.option("--workers", default=1, show_default=True)
    def main(host: str, port: int, workers: int) -> None:
        settings = from_env()
        _serve(lambda: make_app(settings), settings, f"{host}:{port}", workers)

    return main


def _serve(
    make_app: Callable[[], Flask], settings: Settings, address: str, workers: int
) -> None:
    """Serve until SIGTERM.

    X-Forwarded-Proto and SCRIPT_NAME are believed from trusted proxies only.
    """
    _allow_many_files()
    options = {
        "bind": address,
        "workers": workers,
        "worker_class": "incidentwire.web.worker.Worker",
        "worker_connections": 12_000,
        "keepalive": KEEPALIVE_S,
        "graceful_timeout": 10,
        "timeout": 120,
        "loglevel": settings.log_level.lower(),
        "accesslog": None,
        # Heartbeat files: a slow disk must not look like a hung worker.
        "worker_tmp_dir": "/dev/shm",  # noqa: S108
        "forwarded_allow_ips": ",".join(sorted(settings.trusted_proxies)),
        "control_socket_disable": True,
    }
    _Server(make_app, options).run()


def _allow_many_files() -> None:
    """Raise the limit of open files: each connection is one, and 1,024 is common."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
