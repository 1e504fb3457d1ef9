"""The Docker engine that the tests of this folder need."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
SCRIPT = Path(
    os.environ.get("DOCKER_ENGINE_SCRIPT", ROOT.parent / "shared" / "docker-engine.sh")
)
FRONT = "caddy:2"


def start_engine() -> None:
    """Start an engine by DOCKER_ENGINE_SCRIPT if none answers."""
    asked = subprocess.run(["docker", "info"], capture_output=True, check=False)
    if asked.returncode == 0:
        return
    assert SCRIPT.exists(), (
        "no Docker engine answers: start one, or name a script in DOCKER_ENGINE_SCRIPT"
    )
    subprocess.run(["bash", SCRIPT], cwd=ROOT, check=True)


def provide_front() -> None:
    """Get the image of the TLS front; where no registry is reached, make one.

    Debian's Caddy gets the name of the real one, so that docker-compose.yml is used
    unchanged.
    """
    for command in (["image", "inspect"], ["pull", "--quiet"]):
        got = subprocess.run(
            ["docker", *command, FRONT], capture_output=True, check=False
        )
        if got.returncode == 0:
            return
    folder = str(ROOT / "compose_tests" / "front")
    build = ["docker", "build", "--quiet", "--network", "host", "--tag", FRONT, folder]
    environ = {**os.environ, "DOCKER_BUILDKIT": "0"}
    subprocess.run(build, env=environ, check=True, stdout=subprocess.DEVNULL)
