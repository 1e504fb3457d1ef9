"""What a real store says when it cannot work is one family of errors, each with its reason."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from redis.exceptions import BusyLoadingError, ExecAbortError, ResponseError

from incidentwire import lifecycle
from incidentwire.archive import ArchiveUnavailable
from incidentwire.events import ItemSubmitted
from incidentwire.log.event_log import AppendRequest, EventLog
from incidentwire.store import (
    StoreOutage,
    StoreUnavailable,
    connect,
    outage_of,
    outages,
    probe,
    request_options,
)
from tests.store import Store

PATIENCE_S = 25.0  # with a probe, which gives up within a second

READ_ONLY = "replicaof 127.0.0.1 1"
FULL = "config set maxmemory 1"
NO_REPLICAS = "config set min-replicas-to-write 1"
NO_PERMISSION = "acl setuser default -eval -evalsha -set"


def append(connection: redis.Redis) -> None:
    EventLog(connection).append("i_a", ItemSubmitted(via="test", url="https://a.test/"))


def append_with_a_job(connection: redis.Redis) -> None:
    """Append inside MULTI, where redis-py and the store put words before the reply."""
    request = AppendRequest(events=[("i_a", ItemSubmitted(via="test", url=None))])
    EventLog(connection).append_many(
        [request], in_same_transaction=lambda pipe: pipe.set("rq:job", "x")
    )


@pytest.mark.parametrize("write", [append, append_with_a_job])
@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (READ_ONLY, StoreOutage.READ_ONLY),
        (FULL, StoreOutage.FULL),
        (NO_REPLICAS, StoreOutage.NO_REPLICAS),
        (NO_PERMISSION, StoreOutage.NO_PERMISSION),
    ],
)
def test_a_store_that_refuses_writes_is_away_and_says_why(
    own_store: Store,
    command: str,
    reason: StoreOutage,
    write: Callable[[redis.Redis], None],
) -> None:
    connection = connect(own_store.url)
    write(connection)
    connection.execute_command(*command.split())
    with pytest.raises(StoreUnavailable) as raised, outages():
        write(connection)
    assert raised.value.reason is reason


@pytest.mark.parametrize("command", [READ_ONLY, FULL, NO_REPLICAS])
def test_the_log_is_read_while_the_store_takes_no_writes(
    own_store: Store, command: str
) -> None:
    append(connect(own_store.url))
    identity = EventLog(connect(own_store.url)).id
    connection = connect(own_store.url)
    connection.execute_command(*command.split())
    log = EventLog(connection)
    assert (log.id, log.last(), len(log.after(0))) == (identity, 1, 1)
    assert len(log.history("i_a")) == 1


def test_a_store_that_hangs_is_away_and_a_probe_says_so_within_its_time(
    own_store: Store,
) -> None:
    connection = connect(own_store.url)
    connection.ping()
    assert own_store.process is not None
    os.kill(own_store.process.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(probe(connection).ping)
        try:
            with pytest.raises(StoreUnavailable) as raised, outages():
                asked.result(timeout=PATIENCE_S)
        finally:
            os.kill(own_store.process.pid, signal.SIGCONT)
    assert raised.value.reason is StoreOutage.HANGS


def test_a_web_request_waits_once_for_a_store_that_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        connection = redis.Redis.from_url(url, **request_options(timeout_s=0.2))
        with pytest.raises(StoreUnavailable) as raised, outages():
            connection.ping()
        silent.accept()[0].close()
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.accept()  # no second attempt
    assert raised.value.reason is StoreOutage.HANGS


def test_a_store_that_is_gone_is_away(own_store: Store) -> None:
    connection = connect(own_store.url)
    own_store.kill()
    with pytest.raises(StoreUnavailable) as raised, outages():
        connection.ping()
    assert raised.value.reason is StoreOutage.UNREACHABLE


def test_a_mistake_at_the_store_is_no_outage(own_store: Store) -> None:
    connection = connect(own_store.url)
    connection.set("text", "x")
    with pytest.raises(redis.exceptions.ResponseError) as raised, outages():
        connection.lpush("text", "y")
    assert outage_of(raised.value) is None


DISCARDED = "Transaction discarded because of: NOREPLICAS Not enough good replicas"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ResponseError("BUSY Redis is busy running a script."), StoreOutage.HANGS),
        (ResponseError("DENIED In protected mode."), StoreOutage.NO_PERMISSION),
        (ResponseError("MISCONF Errors writing"), StoreOutage.CANNOT_PERSIST),
        (ExecAbortError(DISCARDED), StoreOutage.NO_REPLICAS),
        (BusyLoadingError("Redis is loading the dataset"), StoreOutage.LOADING),
    ],
)
def test_replies_that_are_hard_to_provoke_are_outages_too(
    error: Exception, reason: StoreOutage
) -> None:
    assert outage_of(error) is reason


def test_words_of_a_command_are_not_taken_for_a_reply() -> None:
    error = redis.exceptions.ResponseError(
        "Command # 1 (SET a OOM) of pipeline caused error: WRONGTYPE Operation"
    )
    assert outage_of(error) is None


def test_a_loop_waits_while_the_store_is_away_and_goes_on(
    own_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    connection = connect(own_store.url)
    append(connection)
    connection.execute_command(*READ_ONLY.split())
    stopped = threading.Event()
    steps: list[str] = []

    def step() -> None:
        steps.append("tried")
        if len(steps) == 2:
            connection.execute_command("replicaof", "no", "one")
        append(connection)
        stopped.set()

    lifecycle.run_until_shutdown(step, stopped)
    assert EventLog(connection).last() == 2
    assert len(steps) == 2
    assert "waiting reason=store_read_only" in caplog.text


def test_a_loop_ends_with_an_error_that_is_no_outage() -> None:
    def step() -> None:
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        lifecycle.run_until_shutdown(step, threading.Event())


def test_waits_double_to_their_bound_and_start_again_after_calm() -> None:
    backoff = lifecycle.Backoff()
    waits = [backoff.wait_s(now) for now in range(0, 60, 10)]
    assert waits == [0.5, 1, 2, 4, 8, 10]
    assert backoff.wait_s(50 + lifecycle.CALM_S + 1) == 0.5


def test_a_full_disk_is_an_outage_of_the_archive() -> None:
    full = Path("/dev/full")
    with pytest.raises(OSError, match="No space left") as raised:
        full.write_bytes(b"x")
    assert lifecycle.outage_reason(raised.value) == "archive_full"
    assert lifecycle.outage_reason(ArchiveUnavailable("full", "…")) == "archive_full"
    assert lifecycle.outage_reason(FileNotFoundError()) is None
