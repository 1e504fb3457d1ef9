"""`up` and the demo as users run them: processes of their own, killed in every way."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from cli.context import RUNNING
from cli.processes import PROCESSES
from incidentwire.store import connect
from tests.eventually import eventually
from tests.store import free_port

CLI = [sys.executable, "-m", "cli"]
MAX_MEMORY = 600_000_000  # bytes, of `up` and all its processes


@dataclass
class Up:
    """A running `incidentwire up`."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    ports: tuple[int, int]

    @property
    def running(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data_dir / RUNNING).read_text())
        return found

    @property
    def output(self) -> str:
        return self.data_dir.with_suffix(".log").read_text()

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.output
        try:
            urls = [self.running["api_url"], self.running["ingest_url"]]
            return all(requests.get(f"{url}/readyz", timeout=5).ok for url in urls)
        except (OSError, ValueError):
            return False

    def children(self) -> dict[str, int]:
        """Return the pid of each child, by its module or program."""
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = {}
        for pid in pids.read_text().split():
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            name = words[2] if words[1:2] == [b"-m"] else words[0]
            found[name.decode().rpartition("/")[2]] = int(pid)
        return found


@contextmanager
def running_up(data_dir: Path, *options: str) -> Iterator[Up]:
    ports = free_port(), free_port()
    arguments = ["up", "--data-dir", str(data_dir), "--api-port", str(ports[0])]
    arguments += ["--ingest-port", str(ports[1]), *options]
    with data_dir.with_suffix(".log").open("ab") as log:
        process = subprocess.Popen([*CLI, *arguments], stdout=log, stderr=log)
    up = Up(process, data_dir, ports)
    try:
        eventually(up.is_ready, "both services are ready", 120)
        yield up
    finally:
        process.terminate()
        process.wait()


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def memory(pids: list[int]) -> int:
    """Return the proportional set size of processes and their children, in bytes."""
    total = 0
    for pid in pids:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        [kilobytes] = [
            x.split()[1] for x in rollup.splitlines() if x.startswith("Pss:")
        ]
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        total += int(kilobytes) * 1024 + memory([int(child) for child in children])
    return total


@pytest.mark.timeout(300)
def test_one_dead_process_is_started_again_and_ends_nothing_else(
    tmp_path: Path,
) -> None:
    with running_up(tmp_path / "data") as up:
        before = up.children()
        assert len(before) == len(PROCESSES) + 1
        assert memory([up.process.pid]) < MAX_MEMORY
        for name in ("services.classifier.linker", "valkey-server"):
            os.kill(before[name], signal.SIGKILL)

            def is_back(name: str = name) -> bool:
                return up.children().get(name, before[name]) != before[name]

            eventually(is_back, f"{name} is started again")
        eventually(up.is_ready, "both services are ready again")
        after = up.children()
        assert after["services.api.web"] == before["services.api.web"]
    assert up.process.returncode == 0
    assert not any(map(is_alive, after.values()))
    assert "Traceback" not in up.output
    assert not (up.data_dir / RUNNING).exists()


@pytest.mark.timeout(300)
def test_a_folder_in_use_is_refused_and_a_killed_up_leaves_nothing_running(
    tmp_path: Path,
) -> None:
    with running_up(tmp_path / "data") as up:
        second = subprocess.run(
            [*CLI, "up", "--data-dir", str(up.data_dir), "--api-port", "1"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 1
        assert f"in use by process {up.process.pid}" in second.stderr
        children = up.children()
        up.process.kill()
        up.process.wait()
        eventually(
            lambda: not any(map(is_alive, children.values())), "no orphan is left"
        )
    with running_up(tmp_path / "data") as again:
        assert again.is_ready()


@pytest.mark.timeout(200)
def test_other_users_can_read_nothing_and_no_key_is_in_the_output(
    tmp_path: Path,
) -> None:
    with running_up(tmp_path / "data") as up:
        key = (up.data_dir / "key").read_text().strip()
        assert up.running["redis_url"].startswith("unix://")
        assert stat.S_IMODE(up.data_dir.stat().st_mode) == 0o700
        for path in up.data_dir.rglob("*"):
            if path.is_file():
                assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert key.startswith("iwk_")
    assert key not in up.output
    assert "overcommit" not in up.output


@pytest.mark.timeout(200)
def test_the_demo_classifies_every_article_and_its_commands_can_be_pasted(
    tmp_path: Path,
) -> None:
    arguments = [*CLI, "demo", "--data-dir", str(tmp_path / "demo folder")]
    demo = subprocess.Popen(
        arguments,
        env={**os.environ, "COLUMNS": "40"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert demo.stdout is not None
    assert demo.stderr is not None
    lines = []
    for line in demo.stdout:
        lines.append(line.rstrip("\n"))
        if "Ctrl-C" in line:
            break
    output = "\n".join(lines)
    assert "5 of 5 articles were classified." in output, demo.stderr.read()
    assert "data_leak: “" in output
    assert "\x1b" not in output
    pasted = [line for line in lines if line.startswith(("export", "curl"))]
    assert len(pasted) == 3
    with subprocess.Popen(
        ["bash", "-euc", "\n".join([*pasted[:2], f"exec {pasted[2]}"])],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as curl:
        assert curl.stdout is not None
        assert curl.stdout.readline() == b"id: 1\n"
        curl.kill()
    demo.send_signal(signal.SIGINT)
    assert demo.wait() == 0
    assert "Traceback" not in (tmp_path / "demo folder" / "up.log").read_text()


@pytest.mark.timeout(200)
@pytest.mark.parametrize("is_up", [True, False])
def test_a_demo_that_is_told_to_end_leaves_nothing_running(
    tmp_path: Path, is_up: bool
) -> None:
    folder = tmp_path / "demo"
    demo = subprocess.Popen(
        [*CLI, "demo", "--data-dir", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    up = Up(demo, folder, (0, 0))
    eventually((folder / RUNNING).exists if is_up else (folder / "up.log").exists)
    store_url = up.running["redis_url"] if is_up else None
    while demo.poll() is None:  # more than one signal changes nothing
        demo.terminate()
        eventually(lambda: True)
    if store_url:
        with pytest.raises(redis.exceptions.ConnectionError):
            connect(store_url).ping()
