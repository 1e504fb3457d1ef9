"""One stack for all tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from compose_tests.engine import provide_front, start_engine
from compose_tests.stack import ENVIRON, compose, incidentwire, run


@pytest.fixture(scope="session")
def stack() -> Iterator[dict[str, str]]:
    """Yield the headers of a key of the running stack, which has two workers."""
    start_engine()
    provide_front()
    run("sh", "deploy/secrets.sh")
    compose("down", "--volumes", "--remove-orphans")
    try:
        compose("build", "ingest-web")  # one image serves all
        compose("up", "--no-build", "--detach", "--wait")
        scopes = ("--scope", "submit", "--scope", "read")
        secret = incidentwire("keys", "create", "test", *scopes)
        yield {"Authorization": f"Bearer {secret.strip()}"}
    finally:
        compose("down", "--volumes", "--remove-orphans")
        shutil.rmtree(ENVIRON["SECRETS"])
