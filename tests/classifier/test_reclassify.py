"""Another model over the kept texts: first what would change, then events that say so, each once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import command
from incidentwire.events import ItemCorrected
from incidentwire.settings import to_env
from services.classifier import reclassify
from services.classifier.labelling.classifier import Classification, Classifier
from tests.harness import LEAK, PLAIN, Harness, classifier


class _Other(Classifier):
    """The installed model, except that it finds consent where there are benches, and no leaks."""

    def __init__(self) -> None:
        self.version = "other-2"

    def classify(
        self, title: str, text: str, language: str | None = None, **more: Any
    ) -> Classification:
        outcome = classifier().classify(title, text, language, **more)
        found = "benches" in text
        scores = outcome.scores | {"consent": 0.9 if found else 0.1, "data_leak": 0.1}
        evidence = {"consent": ((0, 20),)} if found else {}
        labels = ("consent",) if found else ()
        return Classification(
            labels=labels,
            scores=scores,
            evidence=evidence,
            review=(),
            language="en",
            mentions=(),
        )


@pytest.fixture
def pair(harness: Harness) -> tuple[str, str]:
    """Return a leak and benches, classified by the installed model."""
    leak = harness.submit(title="Clinics", text=LEAK)
    plain = harness.submit(title="Benches", text=PLAIN)
    harness.work()
    assert "data_leak" in harness.item(leak).labels
    assert harness.item(plain).labels == ()
    return leak, plain


def test_a_dry_run_says_what_would_change_and_writes_nothing(
    harness: Harness, pair: tuple[str, str]
) -> None:
    last = harness.log.last()
    found = reclassify.compare(harness.log, harness.archive, _Other(), b"")
    assert (found.looked_at, found.gained["consent"], found.lost["data_leak"]) == (
        2,
        1,
        1,
    )
    assert {change.item.id for change in found.telling} == set(pair)
    assert harness.log.last() == last


def test_the_installed_model_changes_nothing(
    harness: Harness, pair: tuple[str, str]
) -> None:
    assert (
        reclassify.compare(harness.log, harness.archive, classifier(), b"").changes
        == []
    )
    assert reclassify.apply(harness.log, harness.archive, classifier(), b"") == 0


def test_what_changes_is_appended_once_and_can_be_resumed(
    harness: Harness, pair: tuple[str, str]
) -> None:
    assert reclassify.apply(harness.log, harness.archive, _Other(), b"") == 2
    assert reclassify.apply(harness.log, harness.archive, _Other(), b"") == 0
    leak, plain = pair
    assert harness.types(plain)[-2:] == ["item.reclassify_requested", "item.classified"]
    assert harness.item(plain).labels == ("consent",)
    after = harness.item(leak).classified
    assert after is not None
    assert (after.model, "data_leak" in after.labels_before, after.labels) == (
        "other-2",
        True,
        (),
    )
    assert harness.in_flight() == {}


def test_peoples_corrections_are_compared_and_stay(
    harness: Harness, pair: tuple[str, str]
) -> None:
    _, plain = pair
    harness.log.append(plain, ItemCorrected(who="ann", labels=("consent",)))
    found = reclassify.compare(harness.log, harness.archive, _Other(), b"")
    assert (found.now_with_people, found.now_against_people) == (1, 0)
    reclassify.apply(harness.log, harness.archive, _Other(), b"")
    assert harness.item(plain).labels == ("consent",)


def test_texts_that_are_not_kept_are_counted(
    harness: Harness, pair: tuple[str, str]
) -> None:
    harness.archive.delete(pair[0])
    found = reclassify.compare(harness.log, harness.archive, _Other(), b"")
    assert (found.looked_at, found.missing) == (2, 1)


def test_corrections_are_exported_as_training_rows(
    harness: Harness, pair: tuple[str, str], tmp_path: Path
) -> None:
    _, plain = pair
    harness.log.append(plain, ItemCorrected(who="ann", labels=("consent",)))
    out = tmp_path / "corrections.jsonl"
    result = CliRunner().invoke(
        command,
        ["corrections", "export", "--output", str(out)],
        env=to_env(harness.settings),
        catch_exceptions=False,
    )
    assert result.exit_code == 0
    [row] = [json.loads(line) for line in out.read_text().splitlines()]
    assert (row["title"], row["text"], row["labels"], row["lang"]) == (
        "Benches",
        PLAIN.strip(),
        ["consent"],
        "en",
    )


def test_a_decision_about_a_chinese_text_is_exported_as_chinese(
    harness: Harness,
) -> None:
    item = harness.submit(
        title="长椅", text="公园在湖边新装了十二张长椅，游客说坐着很舒服。" * 3
    )
    harness.work()
    harness.log.append(item, ItemCorrected(who="ann", labels=()))
    result = CliRunner().invoke(
        command, ["corrections", "export"], env=to_env(harness.settings)
    )
    row = json.loads(result.stdout)
    assert (row["lang"], row["labels"]) == ("zh", [])


def test_the_command_prints_the_difference(
    harness: Harness, pair: tuple[str, str]
) -> None:
    result = CliRunner().invoke(
        command,
        ["reclassify", "--dry-run"],
        env=to_env(harness.settings),
        catch_exceptions=False,
    )
    assert result.exit_code == 0
    assert "0 of 2 items change" in result.output
