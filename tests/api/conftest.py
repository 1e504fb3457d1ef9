"""A house with an API: a private store, a data folder, and the processes api-web and api-projector as they are run."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from incidentwire import settings as settings_module
from incidentwire.archive import Archive
from incidentwire.documents import StoredDocument
from incidentwire.events import Event, ItemClassified, ItemFetched, ItemSubmitted
from incidentwire.log.event_log import EventLog
from incidentwire.settings import Settings
from incidentwire.web.auth import Keys
from services.api.app import create_app
from services.api.read_model.projector import Projector
from tests.api.events.sse import Subscriber
from tests.conftest import Store, free_port

DEADLINE_S = 30.0


def eventually(condition: Callable[[], Any], what: str = "") -> Any:
    """What the condition returns once it is true. Fails after DEADLINE_S."""
    deadline = time.monotonic() + DEADLINE_S
    while not (result := condition()):
        assert time.monotonic() < deadline, f"never became true: {what or condition}"
        time.sleep(0.02)
    return result


@dataclass
class House:
    """The store, the log, the archive and the settings of one test, and what it started."""

    store: Store
    settings: Settings
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    streams: list[Subscriber] = field(default_factory=list)
    closing: list[Callable[[], None]] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self.connection = self.store.connect()
        self.log = EventLog(self.connection)
        self.archive = Archive(self.settings.archive)
        self.key = Keys(self.connection).create("reader", ["read"])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def client(self) -> FlaskClient:
        """The app in this process, without gevent."""
        app = create_app(self.settings, self.connection)
        self.closing.append(app.extensions["incidentwire.reader"].close)
        client = app.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {self.key}"
        return client

    def projector(self) -> Projector:
        projector = Projector(self.settings, self.connection)
        self.closing.append(projector.close)
        return projector

    def run(self, module: str, *options: str) -> subprocess.Popen[bytes]:
        environ = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(settings_module.PREFIX)
        }
        environ |= settings_module.to_env(self.settings)
        with (self.settings.data_dir / f"{module}.{len(self.processes)}.log").open(
            "wb"
        ) as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *options], env=environ, stderr=errors
            )
        self.processes.append(process)
        return process

    def run_web(self, workers: int = 1) -> subprocess.Popen[bytes]:
        """Start api-web, and return once it answers."""
        self.port = self.port or free_port()
        process = self.run(
            "services.api.web", "--port", str(self.port), "--workers", str(workers)
        )
        eventually(self.answers, "the web process answers")
        return process

    def run_projector(self) -> subprocess.Popen[bytes]:
        return self.run("services.api.read_model.projector")

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """(status, JSON) from api-web."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=DEADLINE_S
        )
        try:
            connection.request("GET", path, headers={**self.headers, **headers})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def subscribe(
        self, query: str = "", version: str = "1.1", **headers: str
    ) -> Subscriber:
        stream = Subscriber(
            self.port,
            f"/v1/events/stream{query}",
            {**self.headers, **headers},
            version=version,
        )
        self.streams.append(stream)
        return stream

    def add_item(
        self, name: str, text: str = "", *, labels: tuple[Any, ...] = (), **about: Any
    ) -> int:
        """An item with a page that was kept and classified; returns the position of its last event."""
        document = StoredDocument(
            title=about.pop("title", f"Title of {name}"),
            text=text or f"Text of {name}.",
        )
        digest = self.archive.put(name, document.to_bytes())
        url = about.pop("url", f"https://news.example.org/{name}")
        evidence = {label: ((0, 4),) for label in labels}
        facts: list[Event] = [
            ItemSubmitted(url=url, via=about.pop("via", "test")),
            ItemFetched(document_digest=digest, text_digest=document.text_digest, words=4, final_url=url, **about),
            ItemClassified(
                text_digest=document.text_digest, model="model-1", labels=labels, evidence=evidence,
                scores={label: 0.9 for label in labels},
            ),
        ]  # fmt: skip
        return self.log.append(name, *facts).last

    def answers(self) -> bool:
        assert self.processes[-1].poll() is None, "the web process ended"
        try:
            return self.get("/healthz")[0] == 200
        except OSError:
            return False


@pytest.fixture
def house(store: Store, tmp_path: Path) -> Iterator[House]:
    yield from _house(store, tmp_path)


@pytest.fixture
def quick_house(store: Store, tmp_path: Path) -> Iterator[House]:
    """A house whose streams send a checkpoint after 0.3 s of silence."""
    yield from _house(store, tmp_path, heartbeat_s=0.3)


@pytest.fixture
def small_house(store: Store, tmp_path: Path) -> Iterator[House]:
    """A house with room for five streams, whose checkpoints do not come while a test lasts."""
    yield from _house(store, tmp_path, heartbeat_s=600.0, max_streams=5)


@pytest.fixture
def own_house(own_store: Store, tmp_path: Path) -> Iterator[House]:
    """A house whose store may be killed."""
    yield from _house(own_store, tmp_path)


def _house(store: Store, tmp_path: Path, **options: Any) -> Iterator[House]:
    settings = Settings(redis_url=store.url, data_dir=tmp_path / "data", **options)
    settings.data_dir.mkdir()
    house = House(store, settings)
    yield house
    for close in (*house.closing, *(stream.close for stream in house.streams)):
        close()
    for process in house.processes:
        process.kill()
        process.wait()
    house.connection.close()
