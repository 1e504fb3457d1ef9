"""The process ingest-web against clients that send too much, too slowly, or no HTTP."""

from __future__ import annotations

import http.client
import json
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.harness import Harness
from tests.store import Store, free_port

MAX_RSS_KB = 400_000
FEW_FILES = 100  # the soft limit that the server starts with
NDJSON = "application/x-ndjson"
# Each is a few MB: at 60 MB the same paths are taken (benchmarks/bench_bodies.py).
# Media type, body, and the words of the limit that refuses it.
HOSTILE = [
    (
        "application/json",
        b"{%s}" % b",".join(b'"k%d":1' % n for n in range(60_000)),
        b"more than 100 values",
    ),
    (
        NDJSON,
        b'{"text":"x",%s}\n' % b",".join(b'"k%d":1' % n for n in range(2_000)),
        b"more than 100 values",
    ),
    (NDJSON, b"\n" * 1_000_000, b"More than 1000 blank lines"),
    (NDJSON, b"[" * 1_000_000, b"more than 100 values"),
    (NDJSON, b'{"text":"' + b"a" * 12_000_000, b"longer than 6500000 bytes"),
    ("application/json", b'{"a":' * 100_000, b"more than 100 values"),
]


@pytest.fixture
def served(store: Store, tmp_path: Path) -> Iterator[Harness]:
    """Yield the system with a running ingest-web, whose port is set."""
    yield from _served(store, tmp_path)


@pytest.fixture
def impatient(store: Store, tmp_path: Path) -> Iterator[Harness]:
    """Yield the same with a deadline for bodies that only a stalled one should meet."""
    yield from _served(store, tmp_path, body_timeout_s=1.0)


def _served(store: Store, tmp_path: Path, **settings: float) -> Iterator[Harness]:
    with Harness(store.connect(), store.url, tmp_path, **settings) as harness:
        harness.port = free_port()
        with soft_limit_of_files(FEW_FILES):
            harness.run("services.ingest.web", "--port", str(harness.port))
        eventually(harness.answers, "ingest-web answers")
        yield harness


@contextmanager
def soft_limit_of_files(limit: int) -> Iterator[None]:
    """Have processes that start meanwhile begin with so few files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def post(harness: Harness, body: bytes, media_type: str) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", harness.port, timeout=60)
    headers = {**harness.auth, "Content-Type": media_type}
    connection.request("POST", "/v1/submissions", body, headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, answer.headers["Content-Type"], data


def exchange(harness: Harness, request: bytes) -> tuple[int, str, dict[str, object]]:
    """Send raw bytes; return status, media type and body of the answer."""
    with socket.create_connection(("127.0.0.1", harness.port), timeout=60) as sock:
        sock.sendall(request)
        data = b""
        while part := sock.recv(65_536):
            data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}
    return int(lines[0].split()[1]), headers["content-type"], json.loads(body)


def test_what_no_parser_accepts_and_what_comes_too_slowly_is_a_problem(
    impatient: Harness,
) -> None:
    head = f"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {impatient.key}\r\n"
    slow = f"{head}Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{{"
    requests = {
        414: b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 9_000),
        431: b"GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n" % (b"a" * 9_000),
        400: b"G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n",
        408: f"{slow}".replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").encode(),
    }
    for expected, request in requests.items():
        status, media_type, body = exchange(impatient, request)
        assert (status, media_type, body["status"]) == (
            expected,
            "application/problem+json",
            expected,
        )


def test_idle_connections_beyond_the_soft_limit_of_files_hold_up_nobody(
    served: Harness,
) -> None:
    address = ("127.0.0.1", served.port)
    with ExitStack() as stack:
        for _ in range(FEW_FILES + 20):
            stack.enter_context(socket.create_connection(address, timeout=60))
        assert post(served, b'{"text": "good"}', "application/json")[0] == 202


def test_a_large_refused_body_is_read_to_its_end_and_the_connection_goes_on(
    served: Harness,
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    for headers, status in (({}, 401), (served.auth, 413)):
        headers = {**headers, "Content-Type": "application/json"}
        connection.request("POST", "/v1/submissions", b" " * 20_000_000, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    sock = connection.sock
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    assert connection.sock is sock
    connection.close()


def test_hostile_bodies_cost_others_nothing_and_little_memory(served: Harness) -> None:
    statuses: list[int] = []
    stop = threading.Event()

    def submit_on() -> None:
        while not stop.is_set():
            n = len(statuses)
            body = b'{"text":"good %d"}' % n
            statuses.append(post(served, body, "application/json")[0])

    other = threading.Thread(target=submit_on)
    other.start()
    for media_type, body, refusal in HOSTILE:
        before = len(statuses)
        status, _, answer = post(served, body, media_type)
        assert status < 500
        assert refusal in answer
        assert len(answer) < 1_000
        eventually(lambda before=before: len(statuses) > before + 1, "others go on")
    stop.set()
    other.join()
    assert set(statuses) == {202}
    assert peak_kb(served) < MAX_RSS_KB


def peak_kb(harness: Harness) -> int:
    """Return the largest peak of resident memory of gunicorn and its worker."""
    pid = harness.processes[-1].pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    peaks = []
    for each in (str(pid), *children):
        lines = Path(f"/proc/{each}/status").read_text().splitlines()
        peaks += [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return max(peaks)
