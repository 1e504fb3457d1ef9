"""The stand on which benchmarks run: the embedded store with production's settings, and our processes on it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import redis

from cli.processes import Installation, store_command
from incidentwire.settings import Settings, to_env
from incidentwire.web.keys import SCOPES, Keys
from tests.store import free_port as free_port

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Stand:
    """A running store, a key with all scopes, and what was started on them."""

    settings: Settings
    key: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def connection(self) -> redis.Redis:
        return redis.Redis.from_url(self.settings.redis_url)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def new_key(self, name: str) -> str:
        """Return the token of a new key with all scopes."""
        return Keys(self.connection).create(name, SCOPES)

    def start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        """One of our processes; its log goes beside the data."""
        log = (self.settings.data_dir / f"{module}.log").open("ab")
        environ = {**os.environ, **to_env(self.settings)}
        command = [sys.executable, "-m", module, *arguments]
        process = subprocess.Popen(
            command, env=environ, stdout=log, stderr=log, start_new_session=True
        )
        self.processes.append(process)
        return process

    def cpu_s(self) -> float:
        """User and system time so far of everything started, children included (also those that have ended)."""
        return sum(_cpu_s(p.pid) for p in self.processes)


@contextlib.contextmanager
def stand(
    *, store_maxmemory: str = "1gb", kept: Path | None = None, **changes: object
) -> Iterator[Stand]:
    """Yield a stand and stop it afterwards: a fresh one, deleted, or that of a folder."""
    folder = kept or Path(tempfile.mkdtemp(prefix="incidentwire-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    installation = Installation(data_dir=folder, store_maxmemory=store_maxmemory)
    defaults: dict[str, object] = {
        "allowed_hosts": frozenset({"127.0.0.1"}),
        "host_pause_s": 0.0,
        "log_level": "WARNING",
    }
    settings = Settings(
        redis_url=installation.store_url, data_dir=folder, **(defaults | changes)
    )  # type: ignore[arg-type]
    store = subprocess.Popen(store_command(installation), stdout=subprocess.DEVNULL)
    connection = redis.Redis.from_url(installation.store_url)
    deadline = time.monotonic() + 120  # a kept store reads its log first
    while True:
        try:
            connection.ping()
            break
        except (redis.ConnectionError, redis.BusyLoadingError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    key = Keys(connection).create(f"bench-{secrets.token_hex(4)}", SCOPES)
    here = Stand(settings, key)
    try:
        yield here
    finally:
        for process in reversed(here.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in here.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        store.kill()
        store.wait()
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


def wait_for_port(port: int, patience_s: float = 30.0) -> None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), 1),
        ):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {port}")


def _cpu_s(pid: int) -> float:
    total = 0.0
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += sum(map(int, stat[11:15])) / TICKS  # utime stime cutime cstime
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            total += _cpu_s(int(child))
    return total


def row(question: str, figure: str, limit: str, verdict: bool | None = None) -> None:
    """One line of the table."""
    mark = {True: "ok", False: "SHORT", None: ""}[verdict]
    print(f"{question:<58} {figure:>22}   {limit:<34} {mark}", flush=True)
