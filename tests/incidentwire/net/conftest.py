"""Servers that misbehave, for the tests of the HTTP client."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.incidentwire.net.hostile_server import Behaviour, HostileServer

Serve = Callable[..., HostileServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[HostileServer] = []

    def start(behaviour: Behaviour, certificate: str | None = None) -> HostileServer:
        servers.append(HostileServer(behaviour, certificate))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
