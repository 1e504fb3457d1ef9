"""`incidentwire subscriptions`, `deliveries` and `replay` against a real API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import command
from incidentwire.client import Client
from incidentwire.web.auth import Keys
from services.api.subscriptions import replays
from tests.api.subscriptions.conftest import Desk, desk, receiver, smtp
from tests.loopback import serving
from tests.newsroom import LEAK
from tests.webhook_receiver import Receiver

__all__ = ["desk", "receiver", "smtp"]  # fixtures

Run = Callable[..., Result]


@pytest.fixture
def run(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    key = Keys(desk.harness.connection).create("bea", ["admin"])
    monkeypatch.setenv("INCIDENTWIRE_KEY", key)
    monkeypatch.setenv("INCIDENTWIRE_DATA_DIR", str(tmp_path / "none"))

    def call(*words: str) -> Result:
        return CliRunner().invoke(command, list(words))

    with serving(desk.client.application) as url:
        monkeypatch.setenv("INCIDENTWIRE_API_URL", url)
        yield call


def test_a_webhook_is_added_fails_is_listed_and_its_failures_are_replayed(
    desk: Desk, run: Run, receiver: Receiver
) -> None:
    added = run("subscriptions", "add", "webhook", receiver.url, "--new-only")
    name, state, secret = added.output.split()
    assert (state, secret[:6]) == ("pending", "whsec_")
    short = name[:8]
    assert run("subscriptions", "verify", short).output == f"{name}\tactive\t0\n"
    desk.settle()
    receiver.status = 500
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    listed = run("subscriptions", "list", "--failing").output.splitlines()
    assert listed[1].split("\t")[:4] == [name, "webhook", "failing", "1"]
    failed = json.loads(run("deliveries", "list", short, "--json").output)
    assert (failed["ok"], failed["status"]) == (False, 500)
    event = str(failed["first"])
    about_event = run("deliveries", "list", "--event", event, "--failed").output
    assert about_event.splitlines()[1].split("\t")[1] == name
    receiver.status = 200
    assert run("replay", short, "--failed-since", "2026-01-01").output == "1\n"
    assert run("subscriptions", "resume", short).output == f"{name}\tactive\t1\n"
    desk.settle()
    assert run("replay", short, "--position", event).output == "1\n"
    desk.settle()
    assert len(receiver.ids()) == 3
    assert run("deliveries", "list", short, "--limit", "1").output.count("\n") == 2
    oldest = run("deliveries", "list", short, "--failed", "--limit", "1").output
    assert "failed" in oldest
    paused = json.loads(run("subscriptions", "pause", short, "--json").output)
    assert (paused["id"], paused["status"]) == (name, "paused")
    assert run("subscriptions", "remove", short).output == f"{name}\tremoved\n"
    assert run("subscriptions", "list", "--json").output == ""


def test_a_terminal_is_asked_whether_to_deliver_what_was_missed(
    desk: Desk, run: Run, receiver: Receiver
) -> None:
    created = desk.webhook(receiver, scope="new")
    for name, answer in (("i_a", b"y\n"), ("i_b", b"n\n")):
        assert run("subscriptions", "pause", created["id"]).exit_code == 0
        desk.room.add(name, (LEAK,))
        desk.room.projector.catch_up()
        desk.notifier.step()
        terminal, stdin = os.openpty()
        os.write(terminal, answer)
        words = (sys.executable, "-m", "cli", "subscriptions", "resume", created["id"])
        done = subprocess.run(words, stdin=stdin, capture_output=True, timeout=60)
        os.close(stdin)
        os.close(terminal)
        assert b"Deliver what was missed?" in done.stderr
        desk.settle()
        assert len(receiver.requests) == 1


def test_a_long_replay_is_sent_in_parts_to_its_end(
    desk: Desk, run: Run, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = desk.webhook(receiver, scope="new")
    receiver.status = 410
    for n in range(5):
        desk.room.add(f"i_{n}", (LEAK,))
    desk.settle()
    monkeypatch.setattr(replays, "PAGE", 2)
    monkeypatch.setattr(replays, "MAX_REPLAY", 2)
    path = f"/v1/subscriptions/{created['id']}/replay"
    part = desk.client.post(path, json={"after": 0}).get_json()
    assert part["next"] is not None
    assert run("replay", created["id"], "--after", "0").output == "5\n"
    url, key = (os.environ[f"INCIDENTWIRE_{name}"] for name in ("API_URL", "KEY"))
    with Client(url, key=key) as client:
        last = desk.harness.log.last()
        assert client.replay(created["id"], after=0, before=last + 1) == 5
        assert client.replay(created["id"], positions=[last]) == 1
    for position in (1, 2, 3):
        desk.notifier.ledger.record_attempt(
            [position],
            subscription=created["id"],
            at=time.time(),
            message_id="m",
            ok=0,
            latency_ms=1,
            reason="status_500",
        )
    body = {"failed_since": "2026-01-01T00:00:00Z"}
    assert desk.client.post(path, json=body).get_json()["replayed"] == 2
    failed = run("replay", created["id"], "--failed-since", "2026-01-01")
    assert int(failed.output) >= 3


def test_refusals_say_what_to_do(run: Run) -> None:
    refused = run("subscriptions", "add", "email", "nobody")
    assert (refused.exit_code, "name@example.org" in refused.output) == (1, True)
    wrong = run("subscriptions", "add", "feed", "--filter", "label:x")
    assert "use one of data_leak" in wrong.output
    address = json.loads(run("subscriptions", "add", "feed", "--json").output)
    assert address["feed_url"].endswith(".atom")
    assert run("replay", address["id"]).exit_code == 2
    assert run("deliveries", "list").exit_code == 2
    assert "There is no subscription x" in run("subscriptions", "show", "x").output
