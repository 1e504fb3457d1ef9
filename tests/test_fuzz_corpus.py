"""Inputs of the fuzzer, and those that once broke a reader, are read within their time."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_growth import give_up
from tools.fuzz.targets import SLOW_S, TARGETS

CORPUS = Path(__file__).parent / "fuzz_corpus"


def inputs() -> list[Path]:
    return sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.fixture
def cpu_limit() -> Iterator[None]:
    """Raise TimeoutError past the CPU time that the fuzzer allows."""
    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, SLOW_S)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize(
    "path", inputs(), ids=lambda path: f"{path.parent.name}/{path.name}"
)
@pytest.mark.usefixtures("cpu_limit")
def test_an_input_of_the_corpus_is_read(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_every_target_has_inputs() -> None:
    assert {path.parent.name for path in inputs()} == set(TARGETS)
