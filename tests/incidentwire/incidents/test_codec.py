from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incidentwire.incidents.codec import DECODE_ERRORS, dump, load
from incidentwire.incidents.state import IncidentsState
from tests.incident_steps import STEP, Steps, take


@settings(max_examples=150)
@given(steps=st.lists(STEP, max_size=30), cut=st.integers(0, 30))
def test_what_comes_back_equals_what_went_and_folds_on_alike(
    steps: list[tuple[str, int, int]], cut: int
) -> None:
    log = Steps()
    for step in steps[:cut]:
        take(log, step)
    seen = len(log.facts)
    result = dump(log.state)
    again = load(json.loads(json.dumps(result)))
    assert again == log.state == load(result)
    for name, value in vars(log.state).items():
        assert not isinstance(value, dict) or list(vars(again)[name]) == list(value), (
            name
        )  # oldest first stays so
    hash(
        (*again.by_id.values(), *again.links.values())
    )  # raises where a list came in for a tuple
    for step in steps[cut:]:
        take(log, step)
    for subject, event in log.facts[seen:]:
        again.apply(subject, event)
    assert again == log.state


def test_a_dump_does_not_follow_the_state() -> None:
    log = Steps()
    take(log, ("link", 0, 0))
    result = dump(log.state)
    before = json.dumps(result)
    take(log, ("link", 1, 0))
    assert json.dumps(result) == before
    assert load(result) != log.state


@pytest.mark.parametrize(
    "spoil",
    [
        lambda result: result.pop("links"),
        lambda result: result["by_id"][0].pop("id"),
        lambda result: result["by_id"][0].update(colour="red"),
        lambda result: result["items"].update(i0=[]),
        lambda result: result.update(mentions_of_item=None),
    ],
)
def test_anything_else_is_refused(spoil: Any) -> None:
    log = Steps()
    take(log, ("link", 0, 0))
    result = dump(log.state)
    spoil(result)
    with pytest.raises(DECODE_ERRORS):
        load(result)


def test_nothing_comes_back_as_nothing() -> None:
    assert load(json.loads(json.dumps(dump(IncidentsState())))) == IncidentsState()
