"""`incidentwire review` from end to end, on a real store: what is typed is what happens."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Response, request

from tests.api.dashboard.conftest import doubt
from tests.cli.test_items_cli import Run, run
from tests.harness import Harness
from tests.loopback import serving

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

    assert "unsure of: consent" in run("items", "show", "i_doubt2").output
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


def test_yes_and_no_answer_nothing_where_the_model_asks_nothing(
    harness: Harness, run: Run
) -> None:
    doubt(harness, "i_spanish", 0, review="language")
    assert "\tlanguage\t\t" in run("review", "list").output  # no score
    for answer in ("--yes", "--no"):
        refused = run("review", "decide", "i_spanish", answer)
        assert refused.exit_code == 1
        assert "Name all labels that apply" in refused.output
    assert [row["id"] for row in waiting(run)] == ["i_spanish"]


def test_a_decision_on_what_somebody_else_changed_meanwhile_is_refused(
    harness: Harness, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubt(harness, "i_doubt", 0)
    assert waiting(run)
    other = harness.api_client()
    body = {"version": 3, "labels": ["deepfake"], "note": "faster"}
    app = harness.api_client().application

    @app.after_request
    def decide_first(answer: Response) -> Response:
        """Let another curator decide before the answer that shows the item is sent."""
        if request.method == "GET" and request.path == "/v1/items/i_doubt":
            url = f"{request.path}/labels"
            assert other.post(url, json=body, headers=harness.auth).status_code == 200
        return answer

    with serving(app) as url:
        monkeypatch.setenv("INCIDENTWIRE_API_URL", url)
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
