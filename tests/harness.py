"""What a test needs of the system: all services on one real store, pages from loopback."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import redis
from flask.testing import FlaskClient

from incidentwire import items, queue
from incidentwire.archive import Archive
from incidentwire.documents import StoredDocument
from incidentwire.events import Event, ItemClassified, ItemFetched, ItemSubmitted
from incidentwire.log.event_log import IN_FLIGHT, EventLog
from incidentwire.settings import PREFIX, Settings, to_env
from incidentwire.web.keys import Keys
from services.api.app import create_app as api_app
from services.api.read_model.projector import Projector
from services.classifier.analysis import Analyzer
from services.classifier.fetcher import Fetcher, FetcherContext
from services.classifier.fetching.robots import RobotsRules
from services.classifier.jobs import WorkerContext, work
from services.classifier.labelling.classifier import Classifier
from services.ingest.app import create_app as ingest_app
from tests.event_stream import EventStream
from tests.eventually import eventually
from tests.loopback import Asked, Reply, answering
from tests.store import Store, free_port

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


@cache
def analyzer() -> Analyzer:
    """One sandbox for all tests."""
    return Analyzer(classifier())


@cache
def robots_rules() -> RobotsRules:
    """One sandbox for all tests."""
    return RobotsRules()


def page(title: str, text: str, head: str = "") -> bytes:
    """Return an article as a plain HTML page."""
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
    """Yield a running Site."""
    here = Site()

    def answer(asked: Asked) -> Reply:
        here.seen.append(asked.path)
        return here.answers.get(asked.path, (404, {}, b"nothing here"))

    with answering(answer) as here.port:
        yield here


class Harness:
    """All services on one store and one data folder.

    `submit` posts to the ingest application in this process, `work` runs the queued jobs
    here; `run`, `run_web` and `run_projector` start real processes, which end with the
    context: `with Harness(...) as harness`.
    """

    store: Store  # set by the fixtures of tests that kill it

    def __init__(
        self, connection: redis.Redis, url: str, data_dir: Path, **more: Any
    ) -> None:
        defaults: dict[str, Any] = {
            "allowed_hosts": frozenset({"127.0.0.1"}),
            "host_pause_s": 0.0,
        }
        self.settings = Settings(redis_url=url, data_dir=data_dir, **(defaults | more))
        data_dir.mkdir(parents=True, exist_ok=True)
        self.connection = connection
        self.log = EventLog(connection)
        self.archive = Archive(self.settings.archive)
        self.key = Keys(connection).create("tester", ["submit", "read", "curate"])
        self.processes: list[subprocess.Popen[bytes]] = []
        self.closing: list[Callable[[], None]] = []
        self.port = 0  # of api-web once it has been started

    def __enter__(self) -> Harness:
        return self

    def __exit__(self, *_: object) -> None:
        for close in self.closing:
            close()
        for process in self.processes:
            kill_with_children(process)

    # Ingest and worker, in this process.

    @cached_property
    def ingest_client(self) -> FlaskClient:
        """The ingest application."""
        return ingest_app(self.settings, self.connection).test_client()

    @cached_property
    def context(self) -> WorkerContext:
        """What the jobs of a worker use."""
        return WorkerContext.of(
            self.settings, self.connection, classifier(), analyzer()
        )

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    @cached_property
    def reader(self) -> dict[str, str]:
        """Headers with a key that may only read."""
        key = Keys(self.connection).create("reader", ["read"])
        return {"Authorization": f"Bearer {key}"}

    def post(self, body: Any, path: str = "/v1/submissions", **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ingest_client.post(
            path,
            data=data,
            headers={"Content-Type": "application/json", **self.auth, **headers},
        )

    def submit(self, **fields: Any) -> str:
        """Submit one item and return its id."""
        answer = self.post(fields)
        assert answer.status_code == 202, answer.get_data(as_text=True)
        item_id: str = answer.get_json()["id"]
        return item_id

    def receipt(self, item_id: str) -> dict[str, Any]:
        answer = self.ingest_client.get(f"/v1/submissions/{item_id}", headers=self.auth)
        assert answer.status_code == 200
        receipt: dict[str, Any] = answer.get_json()
        return receipt

    def queued(self) -> list[list[str]]:
        """Return the item ids of each queued job, first queue first."""
        return [
            job.args[0]
            for q in queue.open_item_queues(self.connection)
            for job in q.get_jobs()
        ]

    def fetch(self) -> None:
        """Fetch every page that is queued."""
        rules = robots_rules()
        Fetcher(FetcherContext.of(self.settings, self.connection, rules)).drain()

    def work(self) -> None:
        """Run every fetch and every queued job."""
        queues = queue.open_item_queues(self.connection)
        while True:
            self.fetch()
            job = next((j for q in queues for j in q.get_jobs(0, 1)), None)
            if job is None:
                return
            ids = job.args[0]
            job.delete()
            work(self.context, ids)

    # What the log holds.

    def add_item(
        self, name: str, text: str = "", *, labels: tuple[Any, ...] = (), **about: Any
    ) -> int:
        """Append a classified item with a stored page; return its last position."""
        document = StoredDocument(
            title=about.pop("title", f"Title of {name}"),
            text=text or f"Text of {name}.",
            site=about.pop("site", None),
        )
        digest = self.archive.put(name, document.to_bytes())
        url = about.pop("url", f"https://news.example.org/{name}")
        evidence = {label: ((0, 4),) for label in labels}
        facts: list[Event] = [
            ItemSubmitted(url=url, via=about.pop("via", "test")),
            ItemFetched(
                document_digest=digest,
                text_digest=document.text_digest,
                words=4,
                final_url=url,
                **about,
            ),
            ItemClassified(
                text_digest=document.text_digest,
                model="model-1",
                labels=labels,
                evidence=evidence,
                scores={label: 0.9 for label in labels},
            ),
        ]
        return self.log.append(name, *facts).last

    def item(self, item_id: str) -> items.Item:
        return items.fold_all(item_id, self.log.history(item_id))

    def types(self, item_id: str) -> list[str]:
        return [entry.type for entry in self.log.history(item_id)]

    def in_flight(self) -> dict[str, float]:
        found: Any = self.connection.zrange(IN_FLIGHT, 0, -1, withscores=True)
        return {item.decode(): due for item, due in found}

    # The API, in this process or in processes of its own.

    def api_client(self) -> FlaskClient:
        """Return a client with a reader's key of the API application, without gevent."""
        app = api_app(self.settings, self.connection)
        self.closing.append(app.extensions["incidentwire.reader"].close)
        client = app.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = self.reader["Authorization"]
        return client

    def projector(self) -> Projector:
        projector = Projector(self.settings, self.connection)
        self.closing.append(projector.close)
        return projector

    def delete_read_model(self) -> None:
        for path in self.settings.read_model.parent.iterdir():
            path.unlink()

    def run(self, module: str, *options: str) -> subprocess.Popen[bytes]:
        """Start one of our processes as production does; its stderr goes to a file."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        number = len(self.processes)
        errors = self.settings.data_dir / f"{module}.{number}.log"
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *options],
                env=clean | to_env(self.settings),
                stderr=stderr,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def run_web(self, workers: int = 1) -> subprocess.Popen[bytes]:
        """Start api-web and return once it answers."""
        self.port = self.port or free_port()
        process = self.run(
            "services.api.web", "--port", str(self.port), "--workers", str(workers)
        )
        eventually(self.answers, "api-web answers")
        return process

    def run_projector(self) -> subprocess.Popen[bytes]:
        return self.run("services.api.read_model.projector")

    def answers(self) -> bool:
        """Return whether api-web answers; fail if it has ended."""
        assert self.processes[-1].poll() is None, "the web process ended"
        try:
            return self.get("/healthz")[0] == 200
        except OSError:
            return False

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """Return (status, JSON) from the running api-web."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers={**self.auth, **headers})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def subscribe(
        self, query: str = "", version: str = "1.1", **headers: str
    ) -> EventStream:
        """Open the event stream of the running api-web."""
        stream = EventStream(
            self.port,
            f"/v1/events/stream{query}",
            {**self.auth, **headers},
            version=version,
        )
        self.closing.append(stream.close)
        return stream


@contextmanager
def process(
    harness: Harness, module: str, *arguments: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of our processes for the length of a `with` block."""
    running = harness.run(module, *arguments)
    try:
        yield running
    finally:
        harness.processes.remove(running)
        kill_with_children(running)


def kill_with_children(process: subprocess.Popen[bytes]) -> None:
    """Send SIGKILL to a process and to its children."""
    for pid in (process.pid, *_children(process.pid)):
        _kill(pid)
    process.wait()


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
