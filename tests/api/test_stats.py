"""Drift of labels: the newest items against all of them."""

from __future__ import annotations

import pytest

from incidentwire.items import State
from incidentwire.labels import LABELS
from services.api.stats import Stats


def stats_with(all_items: int, labelled: int, recent_items: int, recent: int) -> Stats:
    none = dict.fromkeys(LABELS, 0)
    return Stats(
        position=1,
        log_id="log",
        last=1,
        in_flight=0,
        states={state: 0 for state in State} | {State.CLASSIFIED: all_items},
        labels=none | {"consent": labelled},
        recent_items=recent_items,
        recent_labels=none | {"consent": recent},
    )


@pytest.mark.parametrize(
    ("recent", "least", "most"), [(100, 0.0, 0.01), (150, 0.01, 0.1), (400, 0.25, 2.0)]
)
def test_drift_grows_with_the_distance_of_the_shares(
    recent: int, least: float, most: float
) -> None:
    drift = stats_with(10_000, 1_000, 1_000, recent).drift
    assert least <= drift["consent"] <= most
    assert drift["deepfake"] < 0.01


def test_drift_of_an_empty_wire_is_zero() -> None:
    assert set(stats_with(0, 0, 0, 0).drift.values()) == {0.0}
