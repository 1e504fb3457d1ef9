"""Fixtures of the API: its services on the shared store, with the settings that a test needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Harness
from tests.store import Store


@pytest.fixture
def harness(store: Store, tmp_path: Path) -> Iterator[Harness]:
    yield from _harness(store, tmp_path)


@pytest.fixture
def quick_harness(store: Store, tmp_path: Path) -> Iterator[Harness]:
    """Yield a harness whose streams send a checkpoint after 0.3 s of silence."""
    yield from _harness(store, tmp_path, heartbeat_s=0.3)


@pytest.fixture
def small_harness(store: Store, tmp_path: Path) -> Iterator[Harness]:
    """Yield a harness with room for five streams, whose checkpoints do not come while a test lasts."""
    yield from _harness(store, tmp_path, heartbeat_s=600.0, max_streams=5)


@pytest.fixture
def own_harness(own_store: Store, tmp_path: Path) -> Iterator[Harness]:
    """Yield a harness whose store may be killed."""
    yield from _harness(own_store, tmp_path)


def _harness(store: Store, tmp_path: Path, **options: Any) -> Iterator[Harness]:
    connection = store.connect()
    with Harness(connection, store.url, tmp_path / "data", **options) as harness:
        harness.store = store
        yield harness
    connection.close()
