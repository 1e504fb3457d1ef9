"""A short chaos run; `make chaos MINUTES=10 SEED=…` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import faults
from tests.chaos.__main__ import Plan, run

SMALL = Plan(seconds=15, seed=898, rate=5, readers=4, groups=2, of_each=1)


def test_a_seed_gives_the_same_faults_again() -> None:
    first, again = (faults.schedule(7, 600) for _ in range(2))
    assert first == again != faults.schedule(8, 600)
    assert {fault.target for fault in first} == set(faults.STOPPABLE)
    assert len({fault.kind for fault in first}) == 4


@pytest.mark.timeout(600)
def test_nothing_is_lost_while_everything_is_killed(tmp_path: Path) -> None:
    assert run(SMALL, tmp_path) == []
