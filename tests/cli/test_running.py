"""The commands that run things: the demo from end to end, and a subscription that resumes from its cursor."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner

from cli.context import RUNNING
from cli.main import command
from incidentwire.settings import to_env
from incidentwire.store import connect
from tests.eventually import eventually
from tests.house import PLAIN, House, process
from tests.store import free_port


@pytest.mark.timeout(180)
def test_the_demo_brings_every_article_through_and_ends_by_itself(
    tmp_path: Path,
) -> None:
    arguments = [
        sys.executable,
        "-m",
        "cli",
        "demo",
        "--once",
        "--data-dir",
        str(tmp_path / "demo"),
    ]
    done = subprocess.run(
        arguments,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "5 of 5 articles came through" in done.stdout
    assert "data_leak: “" in done.stdout  # with quoted evidence
    assert "iwk_" in done.stdout
    log = (tmp_path / "demo" / "up.log").read_text()
    assert "Traceback" not in log
    assert log.rindex("stopped (rc=") < log.rindex(
        "ready to exit"
    )  # the store ends last


@pytest.mark.timeout(120)
@pytest.mark.parametrize("is_up", [True, False])
def test_a_demo_that_is_told_to_end_leaves_nothing_running(
    tmp_path: Path, is_up: bool
) -> None:
    arguments = [
        sys.executable,
        "-m",
        "cli",
        "demo",
        "--data-dir",
        str(tmp_path / "demo"),
    ]
    demo = subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        eventually((tmp_path / "demo" / RUNNING).exists, "the demo says where it is")
        running = json.loads((tmp_path / "demo" / RUNNING).read_text())
        store = running["redis_url"]
        for url in (running["api_url"], running["ingest_url"]) if is_up else ():
            _wait_for(int(url.rpartition(":")[2]))
    finally:
        while demo.poll() is None:  # and told again: once more is as good as once
            demo.terminate()
            time.sleep(0.01)
    with pytest.raises(redis.exceptions.ConnectionError):
        connect(store).ping()


@pytest.mark.timeout(120)
def test_when_the_store_dies_everything_stops(tmp_path: Path) -> None:
    api, ingest, store = free_port(), free_port(), free_port()
    ports = [
        "--api-port",
        str(api),
        "--ingest-port",
        str(ingest),
        "--store-port",
        str(store),
    ]
    arguments = [sys.executable, "-m", "cli", "up", "--data-dir", str(tmp_path), *ports]
    with (tmp_path / "up.log").open("wb") as log:
        up = subprocess.Popen(arguments, stdout=log, stderr=log)
    try:
        for port in (api, ingest):
            _wait_for(port)
        os.kill(
            int(connect(f"redis://127.0.0.1:{store}/0").info("server")["process_id"]),
            signal.SIGKILL,
        )
        assert up.wait(60) != 0
    finally:
        up.terminate()
        up.wait()


def test_tail_prints_what_happened_and_resumes_from_its_cursor(
    house: House, tmp_path: Path
) -> None:
    port, cursor = free_port(), tmp_path / "cursor"
    env = {
        **to_env(house.settings),
        "INCIDENTWIRE_API_URL": f"http://127.0.0.1:{port}",
        "INCIDENTWIRE_KEY": house.key,
    }
    house.submit(text=PLAIN, title="Benches")
    house.work()
    with process(house, "services.api.web", "--port", str(port)):
        _wait_for(port)
        first = ["tail", "--after", "0", "--count", "2", "--cursor", str(cursor)]
        said = (
            CliRunner()
            .invoke(command, first, env=env, catch_exceptions=False)
            .stdout.splitlines()
        )
        assert [line.split("\t")[2] for line in said] == [
            "item.submitted",
            "item.fetched",
        ]
        assert cursor.read_text() == "2"
        rest = ["tail", "--count", "1", "--cursor", str(cursor), "--json"]
        said = (
            CliRunner()
            .invoke(command, rest, env=env, catch_exceptions=False)
            .stdout.splitlines()
        )
        assert '"type": "item.classified"' in said[0]
        gap = CliRunner().invoke(command, ["tail", "--after", "999"], env=env)
        assert (gap.exit_code, "gap" in gap.output) == (3, True)


def _wait_for(port: int) -> None:
    def answers() -> bool:
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0

    eventually(answers, "the API listens")
