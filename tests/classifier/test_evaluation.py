"""The figures of the installed model on what people decided."""

from __future__ import annotations

import json

from click.testing import CliRunner

from cli.main import command
from incidentwire.events import ItemCorrected
from incidentwire.settings import to_env
from services.classifier import evaluation
from tests.harness import LEAK, PLAIN, Harness, classifier


def test_figures_are_of_corrected_items_only(harness: Harness) -> None:
    leak = harness.submit(title="Clinics", text=LEAK)
    harness.submit(title="Benches", text=PLAIN)
    harness.work()
    assert evaluation.evaluate(harness.log, harness.archive, classifier()) == []
    harness.log.append(leak, ItemCorrected(who="ana", labels=("data_leak", "consent")))
    rows = evaluation.evaluate(harness.log, harness.archive, classifier())
    of_all = rows[0]
    assert (of_all["group"], of_all["items"], of_all["exact"]) == ("all", 1, 0.0)
    assert (of_all["data_leak"], of_all["consent"]) == (1.0, 0.0)
    assert of_all["deepfake"] is None
    assert {row["group"] for row in rows} == {"all", "month", "source", "language"}


def test_the_command_prints_the_figures(harness: Harness) -> None:
    leak = harness.submit(title="Clinics", text=LEAK)
    harness.work()
    harness.log.append(leak, ItemCorrected(who="ana", labels=("data_leak",)))
    result = CliRunner().invoke(
        command, ["evaluate", "--json"], env=to_env(harness.settings)
    )
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows[0]["data_leak"] == 1.0
