"""`incidentwire items` against real services: what is typed is what happens."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from cli.main import command
from incidentwire.web.keys import Keys
from tests.harness import LEAK, Harness

Run = Callable[..., Result]


@pytest.fixture
def run(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    projector = harness.projector()
    apps = {
        "API": harness.api_client().application,
        "INGEST": harness.ingest_client.application,
    }
    servers = []
    for name, app in apps.items():
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.port}"
        monkeypatch.setenv(f"INCIDENTWIRE_{name}_URL", url)
        servers.append(server)
    key = Keys(harness.connection).create("ann", ["admin"])
    monkeypatch.setenv("INCIDENTWIRE_KEY", key)
    monkeypatch.setenv("INCIDENTWIRE_DATA_DIR", str(tmp_path))

    def call(*words: str) -> Result:
        projector.catch_up()
        return CliRunner().invoke(command, list(words))

    yield call
    for server in servers:
        server.shutdown()
        server.server_close()


def test_an_item_is_listed_shown_corrected_and_withdrawn(
    harness: Harness, run: Run
) -> None:
    item = harness.submit(title="Clinics\x1b[31m exposed records", text=LEAK)
    harness.work()
    header, row = (x.split("\t") for x in run("items", "list").output.splitlines())
    assert header[:3] == ["id", "state", "labels"]
    assert row[0] == item
    assert "\x1b" not in run("items", "list").output
    found = run("search", "patients", "--json")
    assert json.loads(found.output)["id"] == item
    assert run("search", "ferry", "--json").output == ""
    assert (
        run("search", "patient OR ferry", "--label", "deepfake").output.count("\n") == 1
    )
    refused = run("search", "patients AND (")
    assert refused.exit_code == 1
    assert "q:" in refused.output
    shown = run("items", "show", item[:6])
    assert "data_leak" in shown.output
    assert "  “" in shown.output
    assert run("items", "correct", item, "consent", "--note", "seen").exit_code == 0
    labels = [row["label"] for row in _show(run, item)["labels"]]
    assert labels == ["consent"]
    assert "\nconsent by person\n" in run("items", "show", item).output
    assert run("items", "correct", item, "--undo").exit_code == 0
    assert "data_leak" in [row["label"] for row in _show(run, item)["labels"]]
    assert "queued" in run("items", "retry", item).output
    history = run("items", "receipt", item).output
    assert "item.classified" in history
    assert run("items", "withdraw", item, "--yes", "--why", "asked").exit_code == 0
    assert _show(run, item)["state"] == "withdrawn"


def _show(run: Run, item: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(run("items", "show", item, "--json").output)
    return shown
