"""`up` and the demo as users run them: processes of their own, killed in every way."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest
import redis

from cli.context import RUNNING
from cli.processes import PROCESSES
from incidentwire.store import connect
from tests.eventually import eventually
from tests.running_up import CLI, Up, running_up

MAX_MEMORY = 800_000_000  # bytes, of `up` and all its processes; some 690 MB in 2026


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
        assert b"id: 1\n" in iter(curl.stdout.readline, b"")
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
    up = Up(demo, folder)
    eventually((folder / RUNNING).exists if is_up else (folder / "up.log").exists)
    store_url = up.running["redis_url"] if is_up else None
    while demo.poll() is None:  # more than one signal changes nothing
        demo.terminate()
        eventually(lambda: True)
    if store_url:
        with pytest.raises(redis.exceptions.ConnectionError):
            connect(store_url).ping()
