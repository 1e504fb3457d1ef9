"""The Docker engine that the tests of this folder need."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
SCRIPT = Path(
    os.environ.get("DOCKER_ENGINE_SCRIPT", ROOT.parent / "shared" / "docker-engine.sh")
)


def start_engine() -> None:
    """Start an engine by DOCKER_ENGINE_SCRIPT if none answers."""
    asked = subprocess.run(["docker", "info"], capture_output=True, check=False)
    if asked.returncode == 0:
        return
    assert SCRIPT.exists(), (
        "no Docker engine answers: start one, or name a script in DOCKER_ENGINE_SCRIPT"
    )
    subprocess.run(["bash", SCRIPT], cwd=ROOT, check=True)
