"""docker-compose.yml for real: the stack comes up, the whole path works, and kills lose nothing.

Needs a Docker engine; where none runs, DOCKER_ENGINE_SCRIPT (default ../shared/docker-engine.sh) starts one.
"""

from __future__ import annotations

import os
import signal

import pytest
import requests

from compose_tests.stack import (
    API,
    INGEST,
    compose,
    container_of,
    eventually,
    incidentwire,
    is_ready,
    new_password,
    run,
    submit,
)
from tests.subscriber import Subscriber

pytestmark = pytest.mark.timeout(1200)  # building the image is part of it

# A job that lost its worker goes after an hour.
SWEEP = """
import time
from incidentwire import queue
from incidentwire.settings import from_env
from incidentwire.store import connect
from services.classifier.keeping.sweep import JOB_AGE_S, Sweep
store = connect(from_env().redis_url)
work = queue.open_queue(queue.CLASSIFY, store)
lost = work.create_job(queue.WORK_ON_ITEMS, args=(['i_lost'],))
lost.save()
sweep = Sweep(store)
while sweep.run(time.time() + 2 * JOB_AGE_S):
    pass
assert not store.exists(lost.key)
print('swept')
"""
# What somebody with the application's password might try.
ATTEMPTS = """
import redis
from incidentwire.settings import from_env
r = redis.Redis.from_url(from_env().redis_url)
assert r.xlen('iw:log') > 0
lines = '''
DEL iw:log|UNLINK iw:log|XTRIM iw:log MAXLEN 0|XDEL iw:log 1-0|SET iw:log x|RENAME iw:log rq:y|EXPIRE iw:log 1
COPY rq:queues iw:log REPLACE|GETDEL iw:log_id|SET iw:log_id x|FLUSHALL|FLUSHDB|XSETID iw:log 5-0|MOVE iw:log 1
HDEL iw:subject:a n|DEL iw:subject:a|RESTORE iw:log 0 x REPLACE|CONFIG GET dir|SORT rq:queues STORE iw:log
ACL SETUSER app allkeys|SHUTDOWN|DEBUG RELOAD|SAVE|KEYS *|FUNCTION FLUSH|SWAPDB 0 1|MIGRATE h 1 iw:log 0 1
'''
commands = [line.split() for line in lines.replace('|', '\\n').splitlines() if line]
commands.append(['EVAL', "return redis.call('DEL', KEYS[1])", '1', 'iw:log'])
commands.append(['EVAL', "return redis.call('DEL', KEYS[1])", '1', 'iw:subject:a'])
for command in commands:
    try:
        answer = r.execute_command(*command)
    except redis.exceptions.ResponseError as error:
        assert any(w in str(error).lower() for w in ('permission', 'acl', 'not allowed', 'access')), (command, error)
    else:
        raise SystemExit(f'{command} was answered {answer!r}')
print('all refused')
"""


def host_pid(service: str) -> int:
    """Return the process of a service's (first) container, as this machine sees it."""
    return int(run("docker", "inspect", "-f", "{{.State.Pid}}", container_of(service)))


def test_the_whole_path_and_kills_in_mid_work_lose_nothing(
    stack: dict[str, str],
) -> None:
    with Subscriber(f"{API}/v1/events/stream", stack) as subscriber:
        _kill_in_mid_work(stack, subscriber)


def _kill_in_mid_work(stack: dict[str, str], subscriber: Subscriber) -> None:
    def classified() -> set[str]:
        return accepted & set(subscriber.of_type("item.classified"))

    victims = host_pid("classifier-worker"), host_pid("redis")
    accepted = submit(stack, range(10))
    assert len(accepted) == 10
    eventually(
        lambda: accepted == classified(),
        "the first pages are classified events on the stream",
    )

    accepted |= submit(stack, range(100, 160))
    eventually(lambda: len(classified()) > 15, "the workers are in mid-work")
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    assert len(classified()) < 70, "the kills came too late to show anything"
    eventually(
        lambda: is_ready(f"{INGEST}/readyz"),
        "the store is back by its restart policy",
    )
    accepted |= submit(stack, range(200, 210))
    eventually(
        lambda: accepted == classified(),
        "everything acknowledged was classified",
    )

    assert len(accepted) == 80
    positions = subscriber.positions  # no gap, no repetition
    assert positions == list(range(1, len(positions) + 1))
    for item_id in accepted:
        receipt = requests.get(
            f"{INGEST}/v1/submissions/{item_id}", headers=stack, timeout=10
        ).json()
        assert receipt["state"] == "classified"
        assert [row["type"] for row in receipt["history"]].count("item.classified") == 1


def test_the_application_sweeps_lost_jobs_but_cannot_harm_the_log(
    stack: dict[str, str],
) -> None:
    output = compose("exec", "-T", "classifier-keeper", "python3", "-c", SWEEP)
    assert output.strip() == "swept"
    output = compose("exec", "-T", "api-web", "python3", "-c", ATTEMPTS)
    assert output.strip() == "all refused"


def test_the_command_line_reaches_both_services_and_the_operator_the_store(
    stack: dict[str, str],
) -> None:
    key = stack["Authorization"].removeprefix("Bearer ")
    cli = ("exec", "-T", "-e", f"INCIDENTWIRE_KEY={key}", "api-web", "incidentwire")
    assert "accepted" in compose(*cli, "submit", "http://pages:8080/900")
    assert "i_" in compose(*cli, "items", "list", "--limit", "1")
    store = ("exec", "-T", "redis", "operator")
    assert "maxmemory" in compose(*store, "CONFIG", "GET", "maxmemory")


def test_an_administrator_signs_in_and_sees_the_pages_of_both_services(
    stack: dict[str, str],
) -> None:
    password = new_password()
    incidentwire("users", "add", "ada", "--role", "admin", "--password", password)
    with requests.Session() as browser:
        form = {"name": "ada", "password": password}
        assert browser.post(f"{API}/sign-in", data=form, timeout=30).ok
        for path in ("/", "/items", "/feeds", "/keys", "/system"):
            answer = browser.get(f"{API}{path}", timeout=30, allow_redirects=False)
            assert answer.status_code == 200, (path, answer.headers, answer.text[:500])


def test_every_process_is_healthy_and_none_was_refused_by_the_store(
    stack: dict[str, str],
) -> None:
    eventually(lambda: set(_health().values()) == {"healthy"}, "all are healthy")
    assert {"classifier-fetcher", "api-notifier"} <= _health().keys()
    logs = compose("logs", "--no-color").splitlines()
    signs = ("NOPERM", "no_permission")
    assert not [line for line in logs if any(sign in line for sign in signs)]


def _health() -> dict[str, str]:
    """Return the health by service."""
    rows = compose("ps", "--all", "--format", "{{.Service}} {{.Health}}").splitlines()
    return dict(row.split(" ", 1) for row in rows if not row.startswith("pages"))


def test_the_containers_are_locked_down(stack: dict[str, str]) -> None:
    services = ("ingest-web", "classifier-fetcher", "classifier-worker", "api-web")
    for service in (*services, "api-notifier"):
        probe = "id -u; touch /app/x 2>&1 || true; touch /data/x && rm /data/x && echo writable-data"
        output = compose("exec", "-T", service, "sh", "-c", probe)
        assert "10001" in output
        assert "Read-only file system" in output
        assert "writable-data" in output
