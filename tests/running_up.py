"""`incidentwire up` as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from cli.context import KEY, RUNNING
from tests.eventually import eventually
from tests.store import free_port

CLI = [sys.executable, "-m", "cli"]
START_S = 120.0


@dataclass
class Up:
    """A running `incidentwire up`."""

    process: subprocess.Popen[bytes]
    data_dir: Path

    @property
    def running(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data_dir / RUNNING).read_text())
        return found

    @property
    def api(self) -> str:
        return str(self.running["api_url"])

    @property
    def ingest(self) -> str:
        return str(self.running["ingest_url"])

    @property
    def auth(self) -> dict[str, str]:
        key = (self.data_dir / KEY).read_text().strip()
        return {"Authorization": f"Bearer {key}"}

    @property
    def output(self) -> str:
        return self.data_dir.with_suffix(".log").read_text()

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.output
        try:
            urls = [self.api, self.ingest]
            return all(requests.get(f"{url}/readyz", timeout=5).ok for url in urls)
        except (OSError, ValueError):
            return False

    def children(self) -> dict[str, int]:
        """Return the pid of each child by its name, without those that just ended."""
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = {}
        for pid in pids.read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):
                name = Path(f"/proc/{pid}/comm").read_text().strip()
                found[name] = int(pid)
        return found


@contextmanager
def running_up(data_dir: Path, *options: str, **environ: str) -> Iterator[Up]:
    """Start `up` on free ports and yield it once both services are ready."""
    ports = ["--api-port", str(free_port()), "--ingest-port", str(free_port())]
    arguments = ["up", "--data-dir", str(data_dir), *ports, *options]
    with data_dir.with_suffix(".log").open("ab") as log:
        process = subprocess.Popen(
            [*CLI, *arguments], env=_environ(environ), stdout=log, stderr=log
        )
    up = Up(process, data_dir)
    try:
        eventually(up.is_ready, "both services are ready", START_S)
        yield up
    finally:
        process.terminate()
        process.wait()


def _environ(more: dict[str, str]) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("INCIDENTWIRE_")}
    return clean | more
