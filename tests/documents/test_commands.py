"""The commands of the README, the tutorial and the guides, run as printed; only ports differ."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running_up import Up, running_up
from tools.console import commands

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GUIDES = sorted((DOCS / "how-to").glob("*.md"))
INSTALLATION = re.compile(r"python3 -m venv|env/bin/pip|export PATH|incidentwire up$")
TUTORIAL = DOCS / "tutorial.md"
UNREADABLE = "El banco publicó por error los nombres de 300 clientes suyos, dijo ayer."
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("reader")
    (folder / ".venv").symlink_to(Path(sys.prefix))
    with running_up(folder / "data") as running:
        run(running, [line for line in commands(TUTORIAL) if "reports.ndjson" in line])
        run(running, [f"incidentwire submit --wait --text {UNREADABLE!r}"])
        yield running


def run(up: Up, lines: list[str]) -> str:
    """Run commands in the folder of the installation and return what they print."""
    script = "\n".join(["set -euo pipefail", f"PATH={sys.prefix}/bin:$PATH", *lines])
    for printed, url in (("127.0.0.1:8000", up.api), ("127.0.0.1:8001", up.ingest)):
        script = script.replace(printed, url.removeprefix("http://"))
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=up.data_dir.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


def test_the_commands_of_the_tutorial_can_be_pasted(up: Up) -> None:
    found = commands(TUTORIAL)
    played = [line for line in found if not INSTALLATION.search(line)]
    assert len(played) > 20
    printed = run(up, played)
    assert "Everything is whole" in printed
    assert "/sign-in/link?token=" in printed
    assert re.search(r"n_\w+\tconfirmed", printed)


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_the_commands_of_a_guide_can_be_pasted(up: Up, page: Path) -> None:
    assert run(up, commands(page))


def test_the_commands_of_the_readme_can_be_pasted(up: Up) -> None:
    found = commands(ROOT / "README.md", "`make up` starts", "## In containers")
    assert len(found) >= 10
    [stream] = [line for line in found if line.startswith("curl -N")]
    found[found.index(stream)] = f"grep -m 1 -o '^id: 1-' < <({stream})"
    printed = run(up, found)
    assert "id: 1-" in printed
    assert "classified" in printed
    assert "Everything is whole" in printed
