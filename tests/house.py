"""A house for tests: ingest, worker and keeper on one real store, with pages from a real server on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import redis

from incidentwire import items, queue
from incidentwire.archive import Archive
from incidentwire.log.event_log import IN_FLIGHT, EventLog
from incidentwire.settings import Settings, to_env
from incidentwire.web.auth import Keys
from services.classifier.jobs import WorkerContext, work
from services.classifier.labelling.classifier import Classifier
from services.ingest.app import create_app
from tests.loopback import Asked, Reply, answering

LEAK = """A chain of clinics left the records of 61,000 patients on a server that asked nobody for a password, a
security researcher said on Wednesday. The exposed records held names, dates of birth and telephone numbers.

The company closed the server within a day, and said that it was writing to everyone whose personal data had been
exposed. The data protection authority has opened an inquiry into the data breach and can impose a fine."""

PLAIN = """The city's benches are back. From Saturday, visitors of the river park can sit on twelve new benches, four
more than last year. They were stored in a depot over the winter and painted green by pupils of the two schools.

A café at the north gate will open on the same day, and the band of the fire brigade will play in the afternoon."""


@cache
def classifier() -> Classifier:
    return Classifier.load()


def page(title: str, text: str, head: str = "") -> bytes:
    """An article as a plain HTML page."""
    paragraphs = "".join(f"<p>{p}</p>" for p in text.split("\n\n"))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>{head}</head>'
        f"<body><main><article><h1>{title}</h1>{paragraphs}</article></main></body></html>"
    ).encode()


@dataclass
class Site:
    """A web server on loopback: path -> what it answers. `seen` lists the paths asked for."""

    answers: dict[str, Reply] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    port: int = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def put(self, path: str, body: bytes, status: int = 200, **headers: str) -> str:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = (
            status,
            {"Content-Type": "text/html; charset=utf-8"} | named,
            body,
        )
        return self.url(path)


@contextmanager
def site() -> Iterator[Site]:
    """A running Site."""
    here = Site()

    def answer(asked: Asked) -> Reply:
        here.seen.append(asked.path)
        return here.answers.get(asked.path, (404, {}, b"nothing here"))

    with answering(answer) as here.port:
        yield here


class House:
    """Everything but the outer loops: `submit` is the real HTTP door, `work` does what a worker would do."""

    def __init__(
        self, connection: redis.Redis, url: str, data_dir: Path, **more: Any
    ) -> None:
        defaults: dict[str, Any] = {
            "allowed_hosts": frozenset({"127.0.0.1"}),
            "host_pause_s": 0.0,
        }
        self.settings = Settings(redis_url=url, data_dir=data_dir, **(defaults | more))
        self.connection, self.log = connection, EventLog(connection)
        self.archive = Archive(self.settings.archive)
        self.app = create_app(self.settings, connection)
        self.key = Keys(connection).create("tester", ["submit", "read", "curate"])
        self.client = self.app.test_client()
        self.place = WorkerContext.of(self.settings, connection, classifier())

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def post(self, body: Any, path: str = "/v1/submissions", **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(
            path,
            data=data,
            headers={"Content-Type": "application/json", **self.auth, **headers},
        )

    def submit(self, **fields: Any) -> str:
        answer = self.post(fields)
        assert answer.status_code == 202, answer.get_data(as_text=True)
        item_id: str = answer.get_json()["id"]
        return item_id

    def receipt(self, item_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/v1/submissions/{item_id}", headers=self.auth)
        assert answer.status_code == 200
        receipt: dict[str, Any] = answer.get_json()
        return receipt

    def queued(self) -> list[list[str]]:
        """The ids of each queued job, first queue first."""
        return [
            job.args[0]
            for q in queue.open_item_queues(self.connection)
            for job in q.get_jobs()
        ]

    def work(self) -> None:
        """Do every queued job here and now."""
        for q in queue.open_item_queues(self.connection):
            while job := next(iter(q.get_jobs(0, 1)), None):
                q.remove(job)
                job.delete()
                work(self.place, job.args[0])

    def item(self, item_id: str) -> items.Item:
        return items.fold_all(item_id, self.log.history(item_id))

    def types(self, item_id: str) -> list[str]:
        return [entry.type for entry in self.log.history(item_id)]

    def in_flight(self) -> dict[str, float]:
        found: Any = self.connection.zrange(IN_FLIGHT, 0, -1, withscores=True)
        return {item.decode(): due for item, due in found}


@contextmanager
def process(
    house: House, module: str, *arguments: str
) -> Iterator[subprocess.Popen[bytes]]:
    """One of our processes, as production starts it."""
    command = [sys.executable, "-m", module, *arguments]
    running = subprocess.Popen(
        command, env={**os.environ, **to_env(house.settings)}, start_new_session=True
    )
    try:
        yield running
    finally:
        for pid in (running.pid, *_children(running.pid)):
            _kill(pid)
        running.wait()


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def eventually(
    condition: Callable[[], bool], what: str, patience_s: float = 60.0
) -> None:
    """Wait for a condition on real time; fails by name."""
    waiting = threading.Event()
    began = datetime.now(UTC)
    while not condition():
        assert (datetime.now(UTC) - began).total_seconds() < patience_s, (
            f"never came true: {what}"
        )
        waiting.wait(0.05)
