"""What goes wrong and when: a schedule made from a seed, and how each fault is done."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import redis

from cli.processes import Installation
from tests.running_up import Up

STORE = "valkey-server"
STOPPABLE = (
    STORE,
    "services.ingest.web",
    "services.classifier.fetcher",
    "services.classifier.worker",
    "services.classifier.keeper",
    "services.classifier.linker",
    "services.api.read_model.projector",
    "services.api.subscriptions.notifier",
    "services.api.web",
)
WRITERS = (  # processes that write files of their own
    "services.classifier.fetcher",
    "services.classifier.worker",
    "services.api.read_model.projector",
    "services.api.subscriptions.notifier",
)
PAUSE_S = (1.5, 5.0)  # between two faults
HOLD_S = (0.5, 2.5)  # how long a state that is no death lasts


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault, `at_s` seconds after the start."""

    at_s: float
    kind: str  # kill | full_store | read_only_store | full_disk
    target: str
    hold_s: float


def schedule(seed: int, seconds: float) -> list[Fault]:
    """Return the faults of a run; the same seed gives the same ones."""
    rng = random.Random(seed)
    faults = []
    at_s = rng.uniform(*PAUSE_S)
    while at_s < seconds:
        kind = rng.choices(
            ("kill", "full_store", "read_only_store", "full_disk"), (7, 1, 1, 2)
        )[0]
        targets = {"kill": STOPPABLE, "full_disk": WRITERS}.get(kind, (STORE,))
        fault = Fault(
            at_s=at_s,
            kind=kind,
            target=rng.choice(targets),
            hold_s=rng.uniform(*HOLD_S),
        )
        faults.append(fault)
        at_s += rng.uniform(*PAUSE_S)
    return faults


def apply(fault: Fault, up: Up) -> None:
    """Do what the fault says, and undo it after `hold_s`. A target that is down is left."""
    pid = up.children().get(fault.target)
    if fault.kind == "kill" and pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if fault.kind == "full_disk" and pid is not None:
        with contextlib.suppress(ProcessLookupError), _no_file_grows(pid):
            threading.Event().wait(fault.hold_s)
    if fault.kind in ("full_store", "read_only_store"):
        setting = {
            "full_store": ("maxmemory", "1mb"),
            "read_only_store": ("min-replicas-to-write", "1"),
        }
        with contextlib.suppress(redis.RedisError):
            _with_store_setting(up, *setting[fault.kind], fault.hold_s)


@contextlib.contextmanager
def _no_file_grows(pid: int) -> Iterator[None]:
    """Let every write of a process past the first byte of a file fail, as on a full disk."""
    former = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, former[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, former)


def _with_store_setting(up: Up, name: str, value: str, hold_s: float) -> None:
    with store(up) as connection:
        former = connection.config_get(name)[name]
        connection.config_set(name, value)
        threading.Event().wait(hold_s)
        connection.config_set(name, former)


@contextlib.contextmanager
def store(up: Up) -> Iterator[redis.Redis]:
    """Yield a connection to the store of `up`."""
    url = Installation(data_dir=up.data_dir).store_url
    connection = redis.Redis.from_url(url)
    try:
        yield connection
    finally:
        connection.close()
