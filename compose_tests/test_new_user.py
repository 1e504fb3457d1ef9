"""A new user plays the tutorial, every command as printed, on Debian with Python alone.

The container has no checkout: it is handed the folder of a release.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from compose_tests.engine import start_engine
from tools import release
from tools.console import commands

ROOT = Path(__file__).parent.parent
IMAGE = "python:3.13-slim"
START = "incidentwire up"
READY = "worker ready"  # as the tutorial says
IN_BACKGROUND = f"""{START} > up.log 2>&1 & UP=$!
for _ in $(seq 240); do grep -q "{READY}" up.log && break; sleep 0.5; done
grep -q "{READY}" up.log || {{ cat up.log; exit 1; }}"""
CTRL_C = 'kill -INT $UP; wait $UP || [ $? = 130 ]; echo "ended in order"'


def script() -> str:
    """Return the tutorial as one script: a second terminal becomes the background."""
    found = commands(ROOT / "docs" / "tutorial.md")
    lines = [IN_BACKGROUND if line == START else line for line in found]
    return "\n".join(["set -euo pipefail", "cd /reader", *lines, CTRL_C])


@pytest.mark.timeout(900)
def test_the_tutorial_can_be_played_on_a_bare_machine(tmp_path: Path) -> None:
    start_engine()
    release.build(tmp_path)
    release.write_constraints(tmp_path)
    mount = f"{tmp_path}:/reader"
    run = ["docker", "run", "--rm", "--network", "host", "-v", mount, IMAGE]
    done = subprocess.run(
        [*run, "bash", "-c", script()], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout[-3000:], done.stderr[-3000:])
    assert "Everything is whole" in done.stdout
    assert "confirmed" in done.stdout
    assert "ended in order" in done.stdout
