"""Fixtures of the API: its services on the shared store, with the settings that a test needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house import House
from tests.store import Store


@pytest.fixture
def house(store: Store, tmp_path: Path) -> Iterator[House]:
    yield from _house(store, tmp_path)


@pytest.fixture
def quick_house(store: Store, tmp_path: Path) -> Iterator[House]:
    """Yield a house whose streams send a checkpoint after 0.3 s of silence."""
    yield from _house(store, tmp_path, heartbeat_s=0.3)


@pytest.fixture
def small_house(store: Store, tmp_path: Path) -> Iterator[House]:
    """Yield a house with room for five streams, whose checkpoints do not come while a test lasts."""
    yield from _house(store, tmp_path, heartbeat_s=600.0, max_streams=5)


@pytest.fixture
def own_house(own_store: Store, tmp_path: Path) -> Iterator[House]:
    """Yield a house whose store may be killed."""
    yield from _house(own_store, tmp_path)


def _house(store: Store, tmp_path: Path, **options: Any) -> Iterator[House]:
    connection = store.connect()
    with House(connection, store.url, tmp_path / "data", **options) as house:
        house.store = store
        yield house
    connection.close()
