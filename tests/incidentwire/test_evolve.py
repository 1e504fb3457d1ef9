"""Copies of frozen dataclasses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from incidentwire.evolve import evolve
from incidentwire.items import Item, State


def test_a_changed_copy_equals_that_of_the_standard_library() -> None:
    item = Item(id="i_1", version=3)
    changes = {"version": 4, "state": State.WAITING, "reason": "timeout"}
    assert evolve(item, **changes) == replace(item, **changes)
    assert item == Item(id="i_1", version=3)


def test_a_field_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="Item has no field versoin"):
        evolve(Item(id="i_1"), versoin=4)
