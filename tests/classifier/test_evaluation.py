"""The figures of the installed model on what people decided."""

from __future__ import annotations

import json

from click.testing import CliRunner

from cli.main import command
from incidentwire.events import ItemCorrected
from incidentwire.settings import to_env
from services.classifier import evaluation
from tests.house import LEAK, PLAIN, House, classifier


def test_figures_are_of_corrected_items_only(house: House) -> None:
    leak = house.submit(title="Clinics", text=LEAK)
    house.submit(title="Benches", text=PLAIN)
    house.work()
    assert evaluation.evaluate(house.log, house.archive, classifier()) == []
    house.log.append(leak, ItemCorrected(who="ana", labels=("data_leak", "consent")))
    rows = evaluation.evaluate(house.log, house.archive, classifier())
    of_all = rows[0]
    assert (of_all["group"], of_all["items"], of_all["exact"]) == ("all", 1, 0.0)
    assert (of_all["data_leak"], of_all["consent"]) == (1.0, 0.0)
    assert of_all["deepfake"] is None
    assert {row["group"] for row in rows} == {"all", "month", "source", "language"}


def test_the_command_prints_the_figures(house: House) -> None:
    leak = house.submit(title="Clinics", text=LEAK)
    house.work()
    house.log.append(leak, ItemCorrected(who="ana", labels=("data_leak",)))
    result = CliRunner().invoke(
        command, ["evaluate", "--json"], env=to_env(house.settings)
    )
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows[0]["data_leak"] == 1.0
