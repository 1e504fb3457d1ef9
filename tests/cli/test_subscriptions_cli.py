"""`incidentwire subscriptions`, `deliveries` and `replay` against a real API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import command
from incidentwire.web.auth import Keys
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
    paused = json.loads(run("subscriptions", "pause", short, "--json").output)
    assert (paused["id"], paused["status"]) == (name, "paused")
    assert run("subscriptions", "remove", short).output == f"{name}\tremoved\n"
    assert run("subscriptions", "list", "--json").output == ""


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
