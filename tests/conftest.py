"""What every test may use: a private store with the settings of production, and a log on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

from incidentwire.log.event_log import EventLog
from tests.browser import FLAGS, chromium
from tests.harness import Harness, Site, site
from tests.store import Store, free_port, running_store, server_binaries

settings.register_profile(
    "shared_machine", deadline=None
)  # no test asserts on a duration
settings.load_profile("shared_machine")


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with running_store(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture
def store(shared_store: Store) -> Iterator[Store]:
    """Return a running store, empty. Do not kill this one: take `own_store` for that."""
    shared_store.connect().flushall()
    return shared_store


@pytest.fixture(params=server_binaries(), ids=lambda path: Path(path).name)
def own_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Yield a store of the test's own, once per server that is installed: it may be killed and started again."""
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
    """Yield a web server on loopback whose pages the test sets."""
    with site() as running:
        yield running


@pytest.fixture
def harness(connection: redis.Redis, store: Store, tmp_path: Path) -> Iterator[Harness]:
    """All services on the shared store."""
    with Harness(connection, store.url, tmp_path) as harness:
        yield harness


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium, once per process: a second one would not start beside it."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield running
        running.close()
