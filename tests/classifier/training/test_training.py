"""Training: the same rows give the same bytes, bad rows are named, the gate refuses what is worse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from incidentwire.labels import LABELS
from services.classifier.labelling import model_file
from services.classifier.labelling.classifier import MODEL_FOLDER, Classifier
from services.classifier.labelling.lexicon import Lexicon
from services.classifier.labelling.model_file import LEXICON_FILE, WEIGHTS_FILE
from services.classifier.training import gate
from services.classifier.training.corpus import (
    CORPUS_FOLDER,
    CorpusRow,
    corpus_files,
    read_rows,
)
from services.classifier.training.golden import golden_ids, split
from services.classifier.training.train import main, train


@pytest.fixture(scope="module")
def rows() -> list[CorpusRow]:
    return read_rows(corpus_files())


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon.load(MODEL_FOLDER / LEXICON_FILE)


def a_row(**changes: object) -> str:
    row = {
        "id": "t-1",
        "lang": "en",
        "genre": "brief",
        "title": "T",
        "text": "Some text.",
        "labels": ["data_leak"],
    }
    return json.dumps(row | changes)


def test_training_twice_gives_the_same_bytes(
    rows: list[CorpusRow], lexicon: Lexicon, tmp_path: Path
) -> None:
    few = rows[::12]
    for name in ("a", "b"):
        model_file.save(train(few, lexicon)[0], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_saved_model_is_read_back_whole(
    rows: list[CorpusRow], lexicon: Lexicon, tmp_path: Path
) -> None:
    model, _ = train(rows[::15], lexicon)
    model_file.save(model, tmp_path / WEIGHTS_FILE)
    again = model_file.load(tmp_path / WEIGHTS_FILE)
    assert (again.version, again.features, again.decisions) == (
        model.version,
        model.features,
        model.decisions,
    )
    assert np.array_equal(again.matrix, model.matrix)


def test_a_pickle_in_the_model_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / WEIGHTS_FILE).open("wb") as file:
        np.savez(file, features=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        model_file.load(tmp_path / WEIGHTS_FILE)


def test_the_corpus_is_as_large_and_as_varied_as_the_project_says(
    rows: list[CorpusRow],
) -> None:
    assert sum(row.lang == "en" for row in rows) >= 1_500
    assert sum(row.lang == "zh" for row in rows) >= 600
    for language in ("en", "zh"):
        inside = [row for row in rows if row.lang == language]
        assert all(sum(label in row.labels for row in inside) >= 80 for label in LABELS)
        assert sum(not row.labels for row in inside) >= len(inside) // 4


def test_no_golden_row_is_trained_on(rows: list[CorpusRow]) -> None:
    held_out = golden_ids()
    training, golden = split(rows, held_out)
    assert {row.id for row in golden} == held_out
    assert not {row.id for row in training} & held_out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("not json", "bad.jsonl:1: not a training row"),
        ("[1]", "bad.jsonl:1: not a training row"),
        (a_row(labels=["leak"]), "unknown labels"),
        (a_row(title="", text=""), "no title and no text"),
        (f"{a_row()}\n{a_row()}", "bad.jsonl:2: id t-1 was there before"),
    ],
)
def test_a_bad_row_is_named_with_file_and_line(
    tmp_path: Path, line: str, message: str
) -> None:
    (tmp_path / "bad.jsonl").write_text(line, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_rows([tmp_path / "bad.jsonl"])


def test_corrections_of_people_can_be_trained_on(tmp_path: Path) -> None:
    extra = tmp_path / "corrections.jsonl"
    word = "zorblattification"
    lines = [
        a_row(
            id=f"t-{i}",
            title="",
            text=f"The {word} was stolen data {i}.",
            labels=["deepfake"],
        )
        for i in range(40)
    ]
    extra.write_text("\n".join(lines), encoding="utf-8")
    main(["--extra", str(extra), "--out", str(tmp_path), "--quick"])
    features = model_file.load(tmp_path / WEIGHTS_FILE).features
    assert any(word[:8] in feature for feature in features)


def test_the_gate_passes_the_installed_model() -> None:
    assert gate.main([]) == 0


def test_the_gate_refuses_a_model_that_is_worse(
    tmp_path: Path, lexicon: Lexicon
) -> None:
    model = model_file.load(MODEL_FOLDER / WEIGHTS_FILE)
    blind = model_file.Weights(
        version="blind",
        features=model.features,
        matrix=np.zeros_like(model.matrix),
        bias=model.bias,
        decisions=model.decisions,
    )
    model_file.save(blind, tmp_path / WEIGHTS_FILE)
    (tmp_path / LEXICON_FILE).write_bytes((MODEL_FOLDER / LEXICON_FILE).read_bytes())
    assert gate.main(["--model", str(tmp_path)]) == 1


def test_the_gate_lets_a_hair_pass_and_names_what_fell() -> None:
    recorded = {"en/macro": 0.80, "en/consent": 0.70}
    assert gate.worse({"en/macro": 0.795, "en/consent": 0.66}, recorded) == []
    assert gate.worse({"en/macro": 0.78, "en/consent": 0.70}, recorded) == [
        "en/macro: F1 0.780, was 0.800, may fall by 0.01"
    ]


def test_the_card_names_the_model_that_is_installed() -> None:
    card = (MODEL_FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert Classifier.load().version in card
    assert "$" not in card


def test_every_corpus_row_has_an_id_of_its_own_and_known_labels(
    rows: list[CorpusRow],
) -> None:
    assert CORPUS_FOLDER.is_dir()
    assert len({row.id for row in rows}) == len(rows)
