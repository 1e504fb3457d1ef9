"""`up` and the demo as users run them: processes of their own, killed in every way."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
import requests
from click.testing import CliRunner

from cli import folder_lock
from cli.context import RUNNING, write_private
from cli.main import command
from cli.processes import PROCESSES
from cli.up import ensure_first_key
from incidentwire.store import connect
from tests.eventually import eventually
from tests.running_up import CLI, Up, running_up
from tests.store import Store, free_port

MAX_MEMORY = 500_000_000  # bytes, of `up` and all its processes; 430 MB in 2026


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


@dataclass
class Demo:
    """A running `incidentwire demo` and what it has printed."""

    process: subprocess.Popen[str]
    folder: Path
    lines: list[str] = field(default_factory=list)

    def output(self) -> str:
        """Return what the demo prints until it waits for Ctrl-C."""
        assert self.process.stdout is not None
        while not any("Ctrl-C" in line for line in self.lines):
            line = self.process.stdout.readline()
            assert line, f"the demo ended: {self.lines}"
            self.lines.append(line)
        return "".join(self.lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up") / "data"


@pytest.fixture(scope="module")
def up(folder: Path) -> Iterator[Up]:
    with running_up(folder) as running:
        yield running


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    # A space in the path: commands must quote it, and the store's answers cannot.
    folder = tmp_path_factory.mktemp("demo") / "demo folder"
    with subprocess.Popen(
        [*CLI, "demo", "--data-dir", str(folder)],
        env={**os.environ, "COLUMNS": "40"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Demo(process, folder)
        finally:
            process.terminate()


def test_other_users_can_read_nothing_and_no_key_is_in_the_output(up: Up) -> None:
    key = (up.data_dir / "key").read_text().strip()
    socket_file = Path(urlsplit(up.running["redis_url"]).path)
    assert stat.S_IMODE(socket_file.stat().st_mode) & 0o077 == 0
    assert stat.S_IMODE(socket_file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(up.data_dir.stat().st_mode) == 0o700
    for path in up.data_dir.rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert key.startswith("iwk_")
    assert key not in up.output
    assert "overcommit" not in up.output
    connection = connect(up.running["redis_url"])
    assert connection.config_get("port")["port"] == "0"
    connection.close()


def test_a_store_that_lost_its_data_is_named(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for is_lost in (False, True, False):
        if is_lost:
            store.connect().flushall()
        ensure_first_key(store.url, tmp_path)
        assert ("docs/operations.md" in capsys.readouterr().err) is is_lost


def test_a_private_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        write_private(tmp_path / "key", "secret")
    finally:
        os.umask(former)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_one_dead_process_is_started_again_and_ends_nothing_else(up: Up) -> None:
    before = up.children()
    assert len(before) == len(PROCESSES) + 1
    assert memory([up.process.pid]) < MAX_MEMORY
    for name in ("classifier-link", "valkey-server"):
        os.kill(before[name], signal.SIGKILL)

        def is_back(name: str = name) -> bool:
            return up.children().get(name, before[name]) != before[name]

        eventually(is_back, f"{name} is started again")
    eventually(up.is_ready, "both services are ready again")
    assert up.children()["api-web"] == before["api-web"]


def test_a_folder_in_use_is_refused_and_a_killed_up_leaves_nothing_running(
    up: Up,
) -> None:
    second = subprocess.run(
        [*CLI, "up", "--data-dir", str(up.data_dir), "--api-port", "1"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,  # one that is not refused would stay
    )
    assert second.returncode == 1
    assert f"in use by process {up.process.pid}" in second.stderr
    children = up.children()
    of_store = Path(f"/proc/{children['valkey-server']}/fd")
    assert up.data_dir / folder_lock.LOCK in [
        path.resolve() for path in of_store.iterdir()
    ]
    up.process.kill()
    up.process.wait()
    eventually(lambda: not any(map(is_alive, children.values())), "no orphan is left")


def test_up_starts_on_the_data_of_one_that_was_killed_and_ends_in_order(
    folder: Path,
) -> None:
    with running_up(folder) as again:
        children = again.children()
    assert again.process.returncode == 0
    assert not any(map(is_alive, children.values()))
    assert "Traceback" not in again.output
    assert not (folder / RUNNING).exists()


def test_the_demo_classifies_every_article(demo: Demo) -> None:
    output = demo.output()
    assert "5 of 5 articles were classified." in output
    assert "data_leak: “" in output
    assert "\x1b" not in output


def test_the_commands_that_the_demo_prints_can_be_pasted(demo: Demo) -> None:
    printed = demo.output().partition("In a second terminal:\n\n")[2]
    *pasted, stream = printed.partition("\n\n")[0].splitlines()
    assert len(pasted) == 3
    listed = subprocess.check_output(["bash", "-euc", "\n".join(pasted)], text=True)
    assert "\topen\t" in listed
    with subprocess.Popen(
        ["bash", "-euc", "\n".join([*pasted[:2], f"exec {stream}"])],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as curl:
        assert curl.stdout is not None
        lines = iter(curl.stdout.readline, b"")
        assert any(line.startswith(b"id: 1-") for line in lines)
        curl.kill()
    (link,) = (line for line in demo.output().split() if "token=" in line)
    browser = requests.Session()
    assert "Clinic chain left" in browser.get(link, timeout=30).text
    assert requests.get(link, timeout=30).status_code == 403  # it works once


def test_an_interrupted_demo_leaves_nothing_running(demo: Demo) -> None:
    demo.output()
    store_url = Up(demo.process, demo.folder).running["redis_url"]  # type: ignore[arg-type]
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait() == 0
    assert "Traceback" not in (demo.folder / "up.log").read_text()
    with pytest.raises(redis.exceptions.ConnectionError):
        connect(store_url).ping()


def test_a_demo_that_is_told_to_end_at_its_start_ends(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    demo = subprocess.Popen(
        [*CLI, "demo", "--data-dir", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually((folder / "up.log").exists)
    while demo.poll() is None:  # more than one signal changes nothing
        demo.terminate()
        eventually(lambda: True)
    # The interpreter restores the default action just before it ends.
    assert demo.returncode in (128 + signal.SIGTERM, -signal.SIGTERM)
    os.close(folder_lock.lock(folder))  # nothing that was started still holds it


def test_an_amount_of_memory_that_is_none_is_refused_before_a_start(
    tmp_path: Path,
) -> None:
    words = ["up", "--store-maxmemory", "lots", "--data-dir", str(tmp_path / "data")]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 2
    assert "Write one such as 512mb" in done.output
    assert not (tmp_path / "data").exists()


def test_a_damaged_store_is_named_with_the_way_out(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    files = folder / "store" / "appendonlydir"
    files.mkdir(parents=True)
    (files / "appendonly.aof.manifest").write_text(
        "file appendonly.aof.1.incr.aof seq 1 type i\n"
    )
    (files / "appendonly.aof.1.incr.aof").write_bytes(b"\0" * 100)
    ports = ["--api-port", str(free_port()), "--ingest-port", str(free_port())]
    done = subprocess.run(
        [*CLI, "up", "--data-dir", str(folder), *ports],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert "Bad file format" in done.stdout
    assert "redis-check-aof --fix" in done.stderr
