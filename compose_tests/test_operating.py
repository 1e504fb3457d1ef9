"""What docs/operations.md asks of an operator, run as printed while work is under way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from compose_tests.stack import (
    API,
    ENVIRON,
    NEWER,
    OLDER,
    compose,
    container_of,
    eventually,
    incidentwire,
    new_password,
    run,
    submit,
)
from tests.subscriber import Subscriber
from tools.console import commands

OPERATIONS = Path(__file__).parent.parent / "docs" / "operations.md"
RESTART, UPGRADE = commands(OPERATIONS, "**Restart and upgrade.**", "**TLS.**")
LOG_LIMITS = {"max-size": "10m", "max-file": "3"}
MB = 1024 * 1024
GB = 1024 * MB
MEMORY = {"redis": 2 * GB, "front": 256 * MB}  # of every other container: 1 GB
pytestmark = pytest.mark.timeout(1200)  # building the image is part of it


def test_a_restart_in_mid_work_loses_nothing(stack: dict[str, str]) -> None:
    with Subscriber(f"{API}/v1/events/stream", stack) as subscriber:
        accepted = submit(stack, range(1000, 1040))
        run("sh", "-c", RESTART)
        accepted |= _submit_when_ready(stack, range(1040, 1045))
        _everything_is_classified(subscriber, accepted)


def test_an_upgrade_in_mid_work_keeps_everything(stack: dict[str, str]) -> None:
    password = new_password()
    incidentwire("users", "add", "mary", "--role", "curator", "--password", password)
    assert _version() == OLDER
    with Subscriber(f"{API}/v1/events/stream", stack) as subscriber:
        accepted = submit(stack, range(2000, 2040))
        run("sh", "-c", UPGRADE, IMAGE_VERSION=NEWER)
        assert _version() == NEWER
        accepted |= submit(stack, range(2040, 2045))
        _everything_is_classified(subscriber, accepted)
        log = list(subscriber.events)
    listed = _all_items(stack)
    assert {event["subject"] for event in log if "submitted" in event["type"]} == listed
    form = {"name": "mary", "password": password}
    with requests.Session() as browser:
        assert browser.post(f"{API}/sign-in", data=form, timeout=30).ok
    assert "Everything is whole" in incidentwire("check")


def _submit_when_ready(headers: dict[str, str], numbers: range) -> set[str]:
    def is_healthy() -> bool:
        rows = compose("ps", "--format", "{{.Service}} {{.Health}}").splitlines()
        return {"ingest-web healthy", "api-web healthy"} <= set(rows)

    eventually(is_healthy, "both services are back")
    return submit(headers, numbers)


def _everything_is_classified(subscriber: Subscriber, accepted: set[str]) -> None:
    eventually(
        lambda: accepted <= set(subscriber.of_type("item.classified")),
        "everything acknowledged was classified",
    )
    positions = subscriber.positions
    assert positions == list(range(1, len(positions) + 1))


def _version() -> str:
    """Return the version of the image that the API runs."""
    label = '{{index .Config.Labels "org.opencontainers.image.version"}}'
    return run("docker", "inspect", "-f", label, container_of("api-web")).strip()


def _all_items(headers: dict[str, str]) -> set[str]:
    """Return the ids of all items, page by page."""
    found: set[str] = set()
    cursor: str | None = ""
    while cursor is not None:
        parameters = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
        page = requests.get(
            f"{API}/v1/items", params=parameters, headers=headers, timeout=30
        ).json()
        found |= {item["id"] for item in page["items"]}
        cursor = page["next"]
    return found


def test_memory_and_logs_of_every_container_are_limited(stack: dict[str, str]) -> None:
    for service in compose("ps", "--services").split():
        if service == "pages":
            continue
        found = json.loads(run("docker", "inspect", container_of(service)))[0]
        limits = found["HostConfig"]
        assert limits["Memory"] == MEMORY.get(service, GB), service
        assert limits["LogConfig"]["Type"] == "json-file"
        assert limits["LogConfig"]["Config"] == LOG_LIMITS, service
    kernel = "cat /sys/fs/cgroup/memory.max || cat /sys/fs/cgroup/memory/memory.limit_in_bytes"
    seen = compose("exec", "-T", "api-web", "sh", "-c", f"{{ {kernel}; }} 2>/dev/null")
    assert int(seen) == GB


def test_passwords_are_files_and_stand_in_no_environment_or_command(
    stack: dict[str, str],
) -> None:
    folder = Path(ENVIRON["SECRETS"])
    files = folder / "app" / "store_password", folder / "operator_password"
    passwords = [file.read_text(encoding="utf-8") for file in files]
    ids = compose("ps", "-q").split()
    shown = run("docker", "inspect", *ids) + compose("top")
    assert not [password for password in passwords if password in shown]
    listing = compose("exec", "-T", "api-web", "ls", "/run/secrets")
    assert listing.split() == ["store_password"]
    sha256 = compose("exec", "-T", "redis", "sh", "-c", "id -un; cat /proc/1/cmdline")
    assert sha256.startswith("redis\n")
