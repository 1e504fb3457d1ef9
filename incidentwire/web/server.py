"""Serve a Flask app by gunicorn with gevent.

So waiting for the store or for a slow client occupies no thread. The main function of
each web process calls `serve`.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

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
        return self.make_app()  # in the worker, after the fork and gevent's patching


def serve(
    make_app: Callable[[], Flask],
    *,
    host: str,
    port: int,
    workers: int,
    log_level: str,
    trusted_proxies: Iterable[str] = (),
) -> None:
    """Serve until SIGTERM. `make_app` runs once in each worker.

    X-Forwarded-Proto and SCRIPT_NAME are believed from `trusted_proxies` only.
    """
    _allow_many_files()
    options = {
        "bind": f"{host}:{port}",
        "workers": workers,
        "worker_class": "incidentwire.web.worker.Worker",
        "worker_connections": 12_000,
        "keepalive": KEEPALIVE_S,
        "graceful_timeout": 10,
        "timeout": 120,
        "loglevel": log_level.lower(),
        "accesslog": None,
        # Heartbeat files: a slow disk must not look like a hung worker.
        "worker_tmp_dir": "/dev/shm",  # noqa: S108
        "forwarded_allow_ips": ",".join(sorted(trusted_proxies)),
        "control_socket_disable": True,
    }
    _Server(make_app, options).run()


def _allow_many_files() -> None:
    """Raise the limit of open files: each connection is one, and 1,024 is common."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
