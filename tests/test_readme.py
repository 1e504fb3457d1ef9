"""The commands of the README, run as printed; only the ports differ."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running_up import running_up

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """Return the commands that follow `make up`, in order."""
    part = README.partition("`make up` starts")[2].partition("## In containers")[0]
    blocks = re.findall(r"```console\n(.*?)```", part, re.DOTALL)
    lines = "".join(blocks).splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


@pytest.mark.timeout(400)
def test_the_commands_of_the_readme_can_be_pasted(tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    found = commands()
    assert len(found) >= 10
    [stream] = [line for line in found if line.startswith("curl -N")]
    with running_up(tmp_path / "data") as up:
        ports = {"127.0.0.1:8000": up.api, "127.0.0.1:8001": up.ingest}
        lines = ["set -euo pipefail", *found]
        lines[lines.index(stream)] = f"grep -m 1 '^id: 1$' < <({stream})"
        script = "\n".join(lines)
        for printed, url in ports.items():
            script = script.replace(printed, url.removeprefix("http://"))
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "id: 1" in done.stdout
    assert "classified" in done.stdout
    assert "Everything is whole" in done.stdout
