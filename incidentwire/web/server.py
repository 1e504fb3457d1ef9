"""How a Flask app of ours is served: gunicorn with gevent, so that waiting for the store or a slow client holds no
thread. Each web process' main function calls `serve`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

KEEPALIVE_S = 75  # longer than the 60 s of common proxies, so that they and not we close idle connections


class _Server(BaseApplication):
    def __init__(self, make_app: Callable[[], Flask], options: dict[str, Any]) -> None:
        self.make_app, self.options = make_app, options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self.make_app()  # in the worker, after the fork and gevent's patching


def serve(
    make_app: Callable[[], Flask], *, host: str, port: int, workers: int, log_level: str
) -> None:
    """Serve until SIGTERM. `make_app` runs once in each worker."""
    options = {
        "bind": f"{host}:{port}",
        "workers": workers,
        "worker_class": "gevent",
        "worker_connections": 12_000,
        "keepalive": KEEPALIVE_S,
        "graceful_timeout": 10,
        "timeout": 120,
        "loglevel": log_level.lower(),
        "accesslog": None,
        "worker_tmp_dir": "/dev/shm",  # noqa: S108  # heartbeat files: a slow disk must not look like a hung worker
        "control_socket_disable": True,
    }
    _Server(make_app, options).run()
