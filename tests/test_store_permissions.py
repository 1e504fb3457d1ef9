"""The application's user, as deploy/store/start makes it: all our parts work under it, and none can harm the log."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from incidentwire import queue
from incidentwire.items import State
from incidentwire.net.rate_limit import HostRateLimiter
from services.classifier import worker
from services.classifier.keeping.requeue import requeue_expired
from services.classifier.keeping.sweep import JOB_AGE_S, Sweep
from tests.harness import LEAK, Harness
from tests.store import Store, free_port, server_binaries

ROOT = Path(__file__).parent.parent
START = ROOT / "deploy" / "store" / "start"
PASSWORD = "a-password-of-the-test"
HARM = """
DEL iw:log|UNLINK iw:log|XTRIM iw:log MAXLEN 0|XDEL iw:log 1-0|SET iw:log x|RENAME iw:log rq:y|EXPIRE iw:log 1
COPY rq:queues iw:log REPLACE|GETDEL iw:log_id|SET iw:log_id x|FLUSHALL|FLUSHDB|XSETID iw:log 5-0|MOVE iw:log 1
HDEL iw:subject:a n|DEL iw:subject:a|RESTORE iw:log 0 x REPLACE|CONFIG GET dir|SORT rq:queues STORE iw:log
ACL SETUSER app allkeys|SHUTDOWN|DEBUG RELOAD|SAVE|KEYS *|FUNCTION FLUSH|SWAPDB 0 1|MIGRATE h 1 iw:log 0 1
XGROUP CREATE iw:log g 0|PERSIST iw:log|LPUSH iw:log x|REPLICAOF no one|BGREWRITEAOF|MONITOR|DUMP iw:log
"""


def start(folder: Path, *secrets: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a `redis-server` that prints its arguments, one a line."""
    for name in secrets:
        (folder / name).write_text(f"{PASSWORD}\n")
    server = folder / "redis-server"
    server.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    server.chmod(0o755)
    search = f"{folder}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", START],
        env={"PATH": search, "SECRETS": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def users(folder: Path) -> Iterator[str]:
    """Yield the --user arguments of the store."""
    printed = start(folder, "store_password", "operator_password").stdout
    assert PASSWORD not in printed
    for line in printed.splitlines():
        if line.startswith("--user "):
            yield from shlex.split(line.replace("(", "'(").replace(")", ")'"))


@pytest.fixture(params=server_binaries(), ids=lambda path: Path(path).name)
def guarded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Yield a store with compose's users."""
    folder = tmp_path / "store"
    folder.mkdir()
    store = Store(folder, free_port(), request.param, extra=tuple(users(tmp_path)))
    store.start(ping_as=("health", "none"))
    yield store
    store.kill()


def application(store: Store) -> redis.Redis:
    return redis.Redis(port=store.port, username="app", password=PASSWORD)


def test_the_whole_path_works_with_the_applications_permissions(
    guarded: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = application(guarded)
    harness = Harness(
        connection, f"redis://app:{PASSWORD}@127.0.0.1:{guarded.port}/0", tmp_path
    )
    ids = [
        harness.submit(text=f"{LEAK} {n}", title="Clinic chain exposed records")
        for n in range(3)
    ]
    unreachable = harness.submit(url="http://127.0.0.1:1/")
    harness.work()
    assert harness.item(unreachable).state is State.WAITING
    worker.make_worker(harness.context).work(burst=True, logging_level="ERROR")
    assert {harness.item(i).state for i in ids} == {State.CLASSIFIED}
    assert requeue_expired(connection, 1e12) == [unreachable]
    work = queue.open_queue(queue.CLASSIFY, connection)
    lost = work.create_job(queue.WORK_ON_ITEMS, args=([unreachable],))
    lost.save()
    assert Sweep(connection).run(time.time() + 2 * JOB_AGE_S) is False
    assert not connection.exists(lost.key)
    assert harness.ingest_client.get("/readyz").status_code == 200
    limiter = HostRateLimiter.of(harness.settings, connection)
    token, wait_s = limiter.acquire("example.org")
    assert (bool(token), wait_s) == (True, 0.0)
    limiter.release("example.org", token)


def test_no_command_of_the_application_can_harm_the_log(
    guarded: Store, tmp_path: Path
) -> None:
    connection = application(guarded)
    harness = Harness(connection, guarded.url, tmp_path)
    harness.submit(text=LEAK)
    before = (harness.log.last(), harness.log.id)
    commands = [line.split() for line in HARM.replace("|", "\n").splitlines() if line]
    commands += [
        ["EVAL", "return redis.call('DEL', KEYS[1])", "1", key]
        for key in ("iw:log", "iw:subject:a")
    ]
    for command in commands:
        with pytest.raises(
            redis.exceptions.ResponseError,
            match=r"(?i)permission|acl|not allowed|can't access",
        ):
            connection.execute_command(*command)
    assert (harness.log.last(), harness.log.id) == before


def test_without_a_password_there_is_nothing_and_the_health_check_can_only_ping(
    guarded: Store,
) -> None:
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis(port=guarded.port, protocol=2).ping()
    health = redis.Redis(port=guarded.port, username="health", password="none")
    assert health.ping()
    with pytest.raises(redis.exceptions.NoPermissionError):
        health.get("iw:log_id")


def test_a_killed_store_reads_everything_back(guarded: Store, tmp_path: Path) -> None:
    # Reading the append-only file, EXEC is checked against the default user: were it restricted, transactions would
    # be dropped at the restart without a word to anybody.
    harness = Harness(application(guarded), guarded.url, tmp_path)
    ids = [harness.submit(text=f"{LEAK} {n}") for n in range(20)]
    before = [entry.subject for entry in harness.log.read()]
    jobs = harness.queued()
    guarded.kill()
    guarded.start(ping_as=("health", "none"))
    assert [entry.subject for entry in harness.log.read()] == before == ids
    assert harness.queued() == jobs
    assert set(harness.in_flight()) == set(ids)


def test_every_key_that_the_code_names_is_allowed(guarded: Store) -> None:
    named = set()
    for part in ("incidentwire", "services"):
        for path in (ROOT / part).rglob("*.py"):
            named |= set(
                re.findall(r'"(iw:[a-z_:]+)', path.read_text(encoding="utf-8"))
            )
    assert {"iw:log", "iw:in_flight", "iw:keys"} <= named
    log_keys = {
        "iw:log",
        "iw:log_id",
        "iw:subject:",
    }  # these have their few commands, tested above
    for key in sorted(named - log_keys):
        assert application(guarded).exists(
            key if not key.endswith(":") else key + "x"
        ) in (0, 1)


def test_the_store_does_not_start_without_its_passwords(tmp_path: Path) -> None:
    refused = start(tmp_path, "store_password")
    assert refused.returncode != 0
    assert "operator_password is missing" in refused.stderr
    assert "deploy/secrets.sh" in refused.stderr


def test_passwords_are_written_once_and_those_of_an_older_env_file_are_kept(
    tmp_path: Path,
) -> None:
    (tmp_path / "deploy").mkdir()
    script = shutil.copy(ROOT / "deploy" / "secrets.sh", tmp_path / "deploy")
    (tmp_path / ".env").write_text(f"STORE_PASSWORD={PASSWORD}\nWORKERS=4\n")
    folder = tmp_path / "secrets"
    files = folder / "app" / "store_password", folder / "operator_password"
    subprocess.run(["sh", script], check=True, stdout=subprocess.DEVNULL)
    written = [file.read_text() for file in files]
    assert written[0] == PASSWORD
    assert len(written[1]) == 64
    assert folder.stat().st_mode & 0o777 == 0o700
    subprocess.run(["sh", script], check=True, stdout=subprocess.DEVNULL)
    assert [file.read_text() for file in files] == written
