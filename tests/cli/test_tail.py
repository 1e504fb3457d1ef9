"""The command that follows the log: what it prints, and how it resumes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from cli.main import command
from incidentwire.settings import to_env
from tests.eventually import eventually
from tests.harness import PLAIN, Harness, process
from tests.store import free_port


def test_tail_prints_what_happened_and_resumes_from_its_cursor(
    harness: Harness, tmp_path: Path
) -> None:
    port = free_port()
    cursor = tmp_path / "cursor"
    env = {
        **to_env(harness.settings),
        "INCIDENTWIRE_API_URL": f"http://127.0.0.1:{port}",
        "INCIDENTWIRE_KEY": harness.key,
    }
    harness.submit(text=PLAIN, title="Benches")
    harness.work()
    harness.projector().catch_up()
    with _tailing(env) as away:
        assert away.stderr is not None
        assert "trying again" in away.stderr.readline()
        with process(harness, "services.api.web", "--port", str(port)):
            assert away.stdout is not None
            assert "item.submitted" in away.stdout.readline()
    assert away.returncode == 0
    with process(harness, "services.api.web", "--port", str(port)):
        _wait_for(port)
        first = ["tail", "--after", "0", "--count", "2", "--cursor", str(cursor)]
        result = (
            CliRunner()
            .invoke(command, first, env=env, catch_exceptions=False)
            .stdout.splitlines()
        )
        assert [line.split("\t")[2] for line in result] == [
            "item.submitted",
            "item.fetched",
        ]
        assert cursor.read_text().startswith("2-")
        rest = ["tail", "--count", "1", "--cursor", str(cursor), "--json"]
        result = (
            CliRunner()
            .invoke(command, rest, env=env, catch_exceptions=False)
            .stdout.splitlines()
        )
        assert '"type": "item.classified"' in result[0]
        titled = CliRunner().invoke(
            command, ["tail", "--after", "2", "--count", "1"], env=env
        )
        assert titled.stdout.endswith("\tBenches\n")
        gap = CliRunner().invoke(command, ["tail", "--after", "999"], env=env)
        assert (gap.exit_code, "gap" in gap.output) == (3, True)


def _tailing(env: dict[str, str]) -> subprocess.Popen[str]:
    """Start a tail of one event while its server is still away."""
    return subprocess.Popen(
        [sys.executable, "-m", "cli", "tail", "--after", "0", "--count", "1"],
        env=os.environ | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for(port: int) -> None:
    def answers() -> bool:
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0

    eventually(answers, "the API listens")
