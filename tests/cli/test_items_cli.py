"""`incidentwire items` against real services: what is typed is what happens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import command
from incidentwire.web.keys import Keys
from tests.harness import LEAK, Harness
from tests.loopback import serving

Run = Callable[..., Result]


@pytest.fixture
def run(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    projector = harness.projector()
    api = harness.api_client().application
    ingest = harness.ingest_client.application
    key = Keys(harness.connection).create("ann", ["admin"])
    monkeypatch.setenv("INCIDENTWIRE_KEY", key)
    monkeypatch.setenv("INCIDENTWIRE_DATA_DIR", str(tmp_path))

    def call(*words: str) -> Result:
        projector.catch_up()
        return CliRunner().invoke(command, list(words))

    with serving(api) as api_url, serving(ingest) as ingest_url:
        monkeypatch.setenv("INCIDENTWIRE_API_URL", api_url)
        monkeypatch.setenv("INCIDENTWIRE_INGEST_URL", ingest_url)
        yield call


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
    unasked = run("items", "withdraw", item)
    assert (unasked.exit_code, "Add --yes" in unasked.output) == (2, True)
    assert run("items", "withdraw", item, "--yes", "--why", "asked").exit_code == 0
    assert _show(run, item)["state"] == "withdrawn"


def _show(run: Run, item: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(run("items", "show", item, "--json").output)
    return shown
