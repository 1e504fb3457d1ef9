"""`incidentwire review` from end to end, on a real store: what is typed is what happens."""

from __future__ import annotations

import json
from typing import Any

import requests

from cli import context
from tests.api.dashboard.conftest import doubt
from tests.cli.test_items_cli import Run, run
from tests.harness import Harness

__all__ = ["run"]


def waiting(run: Run) -> list[dict[str, Any]]:
    lines = run("review", "list", "--json").output.splitlines()
    return [json.loads(line) for line in lines]


def test_the_queue_is_worked_through_and_every_step_can_be_taken_back(
    harness: Harness, run: Run
) -> None:
    for number in range(3):
        doubt(harness, f"i_doubt{number}", number)
    assert [row["id"] for row in waiting(run)] == ["i_doubt2", "i_doubt1", "i_doubt0"]
    assert "unsure of" in run("review", "list").output.splitlines()[0]

    decided = json.loads(run("review", "decide", "i_doubt2", "--yes", "--json").output)
    assert decided["labels"] == ["consent"]
    assert (
        run("review", "decide", "i_doubt1", "--no", "--note", "no harm").exit_code == 0
    )
    assert run("review", "leave", "i_doubt0").exit_code == 0
    assert waiting(run) == []
    assert run("review", "list").exit_code == 0

    assert run("review", "leave", "i_doubt0", "--undo").exit_code == 0
    assert [row["id"] for row in waiting(run)] == ["i_doubt0"]
    undone = run("items", "correct", "i_doubt2", "--undo")
    assert undone.exit_code == 0, undone.output
    assert [row["id"] for row in waiting(run)] == ["i_doubt2", "i_doubt0"]


def test_a_decision_on_what_somebody_else_changed_meanwhile_is_refused(
    harness: Harness, run: Run, monkeypatch: Any
) -> None:
    doubt(harness, "i_doubt", 0)
    assert waiting(run)
    call = context.call
    other = {"version": 3, "labels": ["deepfake"], "note": "faster"}

    def slow(method: str, url: str, settings: Any, **more: Any) -> requests.Response:
        answer = call(method, url, settings, **more)
        if method == "GET" and "/v1/items/" in url:
            call("POST", f"{url}/labels", settings, json=other)
        return answer

    monkeypatch.setattr(context, "call", slow)
    refused = run("review", "decide", "i_doubt", "--yes")
    assert refused.exit_code == 1
    assert "version" in refused.output
    assert harness.log.history("i_doubt")[-1].event.labels == ("deepfake",)


def test_what_cannot_be_decided_is_refused_in_words(harness: Harness, run: Run) -> None:
    doubt(harness, "i_doubt", 0)
    for words in (("--yes", "--no"), ("--yes", "consent"), ()):
        refused = run("review", "decide", "i_doubt", *words)
        assert refused.exit_code == 2
        assert "Give --yes, --no, or all labels that apply." in refused.output
    unknown = run("review", "decide", "i_nothing", "--yes")
    assert unknown.exit_code == 1
    assert "Traceback" not in unknown.output
