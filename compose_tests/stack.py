"""The stack of docker-compose.yml, as the tests of this folder run and ask it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import requests

from tests.eventually import eventually as wait_for

ROOT = Path(__file__).parent.parent
API = "http://127.0.0.1:18000"
INGEST = "http://127.0.0.1:18001"
FRONT = "https://localhost:18443"
OLDER = "0.0.1-older"  # versions of the image
NEWER = "0.0.1-newer"
# Read by docker compose: the commands of docs/operations.md run here as printed.
ENVIRON = {
    **os.environ,
    "COMPOSE_PROJECT_NAME": "incidentwire-test",
    "COMPOSE_FILE": "docker-compose.yml:compose_tests/override.yml",
    "COMPOSE_PROFILES": "tls",
    "SECRETS": tempfile.mkdtemp(prefix="incidentwire-secrets-"),
    "WORKERS": "2",
    "API_PORT": "18000",
    "INGEST_PORT": "18001",
    "HTTP_PORT": "18080",
    "HTTPS_PORT": "18443",
    "IMAGE_VERSION": OLDER,
    "INCIDENTWIRE_ALLOWED_HOSTS": "pages",
    "INCIDENTWIRE_HEARTBEAT_S": "600",  # a front that buffers streams gets no more
    "DOCKER_BUILDKIT": "0",
    "COMPOSE_DOCKER_CLI_BUILD": "0",
}
PATIENCE_S = 240.0


def run(*command: str, **changes: str) -> str:
    """Run a command in the checkout, with changed variables, and return its output."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=ENVIRON | changes,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (
        f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    )
    return done.stdout


def compose(*arguments: str) -> str:
    return run("docker", "compose", *arguments)


def incidentwire(*arguments: str) -> str:
    """Run the command line in the container of the API."""
    return compose("exec", "-T", "api-web", "incidentwire", *arguments)


def eventually(condition: Callable[[], bool], what: str) -> None:
    wait_for(
        condition, what, PATIENCE_S, details=lambda: compose("logs", "--tail", "30")
    )


def container_of(service: str) -> str:
    """Return the id of a service's (first) container."""
    return compose("ps", "-q", service).split()[0]


def is_ready(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def submit(headers: dict[str, str], numbers: range) -> set[str]:
    """Hand in pages and return the acknowledged ids."""
    body = "".join(
        json.dumps({"url": f"http://pages:8080/{n}"}) + "\n" for n in numbers
    )
    answer = requests.post(
        f"{INGEST}/v1/submissions",
        data=body,
        headers={**headers, "Content-Type": "application/x-ndjson"},
        timeout=60,
    )
    assert answer.status_code == 200, compose("logs", "--tail", "30", "ingest-web")
    return {
        row["id"]
        for row in map(json.loads, answer.text.splitlines())
        if row["status"] == 202
    }


def new_password() -> str:
    return secrets.token_hex(16)
