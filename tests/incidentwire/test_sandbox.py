"""A call that takes too much ends alone: the next one is served."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from incidentwire.sandbox import (
    LimitExceeded,
    Sandbox,
    SandboxDied,
    SandboxError,
    SandboxLimits,
)


def spin(_: bytes) -> bytes:
    while True:
        pass


def sleep(_: bytes) -> bytes:
    time.sleep(600)
    return b""


def fill(_: bytes) -> bytes:
    return bytes(10**11)


def fail(_: bytes) -> bytes:
    raise ValueError("words of a stranger")


def die(_: bytes) -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


FUNCTIONS = {
    "echo": lambda data: data,
    "spin": spin,
    "sleep": sleep,
    "fill": fill,
    "fail": fail,
    "die": die,
}
LIMITS = SandboxLimits(cpu_s=1, wall_s=30.0, memory_bytes=10**9)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(FUNCTIONS, LIMITS)
    yield sandbox
    sandbox.close()


def test_bytes_of_any_size_come_back_from_one_child(sandbox: Sandbox) -> None:
    for size in (0, 1, 100_000, 20_000_000):
        data = os.urandom(size)
        assert sandbox.call("echo", data) == data
    first = sandbox.pid
    sandbox.call("echo", b"")
    assert sandbox.pid == first


@pytest.mark.parametrize(("function", "limit"), [("spin", "cpu"), ("fill", "memory")])
def test_a_limit_ends_the_call_and_the_next_is_served(
    sandbox: Sandbox, function: str, limit: str
) -> None:
    with pytest.raises(LimitExceeded) as caught:
        sandbox.call(function, b"")
    assert caught.value.limit == limit
    assert sandbox.call("echo", b"next") == b"next"


def test_the_wall_clock_ends_a_call_that_uses_no_processor() -> None:
    sandbox = Sandbox(FUNCTIONS, SandboxLimits(wall_s=0.2))
    with pytest.raises(LimitExceeded) as caught:
        sandbox.call("sleep", b"")
    assert caught.value.limit == "wall"
    sandbox.close()


def test_an_exception_names_its_class_only(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError) as caught:
        sandbox.call("fail", b"")
    assert str(caught.value) == "ValueError"


def test_a_child_that_dies_of_something_else_is_told_apart(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxDied):
        sandbox.call("die", b"")
    assert sandbox.call("echo", b"next") == b"next"


def test_a_waiting_caller_can_break_off(sandbox: Sandbox) -> None:
    class Enough(Exception):
        pass

    def enough() -> None:
        raise Enough

    with pytest.raises(Enough):
        sandbox.call("sleep", b"", while_waiting=enough)
    assert sandbox.pid is None


PARENT = """
import time
from incidentwire.sandbox import Sandbox
sandbox = Sandbox({"sleep": lambda _: time.sleep(600)})
sandbox.start()
print(sandbox.pid, flush=True)
sandbox.call("sleep", b"")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel for it")
def test_a_child_does_not_outlive_a_killed_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    waited = time.monotonic() + 30
    while Path(f"/proc/{child}").exists() and time.monotonic() < waited:
        time.sleep(0.02)
    assert not Path(f"/proc/{child}").exists()
