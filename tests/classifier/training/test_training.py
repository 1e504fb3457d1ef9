"""Training: same rows, same bytes; bad rows are named; the gate refuses a worse model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

from incidentwire.labels import LABELS
from incidentwire.stem import stem
from services.classifier.labelling import model_file
from services.classifier.labelling.classifier import MODEL_FOLDER, Classifier
from services.classifier.labelling.features import TERM_KINDS
from services.classifier.labelling.hashing import HASH_BITS, hash_of
from services.classifier.labelling.lexicon import Lexicon
from services.classifier.labelling.model_file import LEXICON_FILE, WEIGHTS_FILE
from services.classifier.training import gate
from services.classifier.training.calibrating import (
    REVIEWED_SHARE,
    decide,
    probabilities,
)
from services.classifier.training.corpus import (
    CORPUS_FOLDER,
    CorpusRow,
    corpus_files,
    read_rows,
)
from services.classifier.training.fitting import (
    Examples,
    Trainer,
    associations,
    folds_of,
    prepare,
)
from services.classifier.training.real_texts import FOLDER, load_counts, read_labels
from services.classifier.training.train import train


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


@pytest.fixture(scope="module")
def examples(rows: list[CorpusRow], lexicon: Lexicon) -> Examples:
    return prepare(rows[::12], lexicon)


@pytest.fixture(scope="module")
def few(examples: Examples) -> Examples:
    return examples.only(np.arange(len(examples.roles)) % 4 == 0)


def test_training_twice_gives_the_same_bytes(
    few: Examples, lexicon: Lexicon, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        model_file.save(train(few, lexicon)[0], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_saved_model_is_read_back_whole(
    few: Examples, lexicon: Lexicon, tmp_path: Path
) -> None:
    model, _ = train(few, lexicon)
    model_file.save(model, tmp_path / WEIGHTS_FILE)
    again = model_file.load(tmp_path / WEIGHTS_FILE)
    assert again.version == model.version
    assert again.decisions == model.decisions
    assert np.array_equal(again.ids, model.ids)
    assert np.array_equal(again.matrix, model.matrix)


def test_a_pickle_in_the_model_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / WEIGHTS_FILE).open("wb") as file:
        np.savez(file, ids=np.array([{"a": 1}], dtype=object))
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


def test_no_publisher_is_in_two_folds(examples: Examples) -> None:
    folds = folds_of(examples.publishers, examples.real)
    for publisher in set(examples.publishers[examples.real].tolist()):
        assert len(set(folds[examples.publishers == publisher].tolist())) <= 2
        own = folds[(examples.publishers == publisher) & examples.real]
        assert len(set(own.tolist())) == 1
    assert (folds[~examples.real] == -1).all()


def test_a_word_of_one_publisher_is_no_feature(few: Examples) -> None:
    fitted = Trainer(few).fit(few.real)
    words = fitted.ids[np.isin(fitted.ids >> HASH_BITS, TERM_KINDS)]
    here = few.real[few.counts.owners]
    for word in words[:200]:
        owners = few.counts.owners[here & (few.counts.ids == word)]
        assert len(set(few.publishers[owners].tolist())) >= 2


def test_a_word_that_goes_with_a_label_may_weigh_more() -> None:
    words = csr_matrix([[1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 1], [1, 0, 1]])
    wanted = np.array([True, True, False, False, False])
    everywhere, with_label, without = associations(words, wanted, np.ones(5))
    assert with_label > without > everywhere
    doubted = np.array([0.1, 0.1, 1.0, 1.0, 1.0])
    assert associations(words, wanted, doubted)[1] < with_label


def test_a_rare_label_has_a_wider_band_of_doubt_than_a_common_one() -> None:
    random = np.random.default_rng(0)
    texts = 4_000
    wanted = random.random((texts, len(LABELS))) < np.array([0.3, 0.3, 0.3, 0.02])
    raw = 4.0 * wanted - 3.0 + random.normal(size=wanted.shape)
    languages = np.tile(np.array(["en", "zh"]), texts // 2)
    decided = decide(raw, wanted, languages)["en"]
    width = [decided[label].high - decided[label].low for label in LABELS]
    assert width[3] > max(width[:3])
    assert all(one.low <= one.threshold <= one.high for one in decided.values())
    p = probabilities(raw, languages, {"en": decided, "zh": decided})
    low, high = np.array([(decided[one].low, decided[one].high) for one in LABELS]).T
    reviewed = ((p >= low) & (p < high)).any(axis=1)[languages == "en"]
    assert reviewed.mean() == pytest.approx(REVIEWED_SHARE["en"], abs=0.02)


def test_validation_texts_never_teach(few: Examples, lexicon: Lexicon) -> None:
    assert few.validating.any()
    without = few.only(~few.validating)
    assert train(few, lexicon)[0].version == train(without, lexicon)[0].version


def test_counts_of_another_lexicon_are_refused() -> None:
    with pytest.raises(ValueError, match="make_features"):
        load_counts("en", "another")


def test_no_sentence_of_a_real_text_is_kept() -> None:
    for language in ("en", "zh"):
        for one in read_labels(language):
            assert one.url.startswith("http") or not one.url
            assert len(one.digest) == 32
    kept = {path.suffix for path in FOLDER.iterdir()}
    assert kept == {".jsonl", ".npz"}


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


def test_corrections_of_people_teach_as_real_texts(
    tmp_path: Path, lexicon: Lexicon
) -> None:
    extra = tmp_path / "corrections.jsonl"
    lines = [
        a_row(
            id=f"t-{i}",
            genre="correction",
            text=f"The zorblattification was stolen data {i}.",
            labels=["deepfake"],
        )
        for i in range(40)
    ]
    extra.write_text("\n".join(lines), encoding="utf-8")
    corrected = prepare(read_rows([extra]), lexicon)
    assert corrected.real[:40].all()
    every_third = np.arange(len(corrected.roles)) % 3 == 0
    small = corrected.only(every_third | (corrected.publishers == "correction"))
    fitted = Trainer(small).fit(small.real)
    weight = fitted.matrix[fitted.ids == hash_of(stem("zorblattification"))]
    assert weight[0, LABELS.index("deepfake")] > 0


def test_the_gate_passes_the_installed_model() -> None:
    assert gate.main([]) == 0


def test_the_gate_refuses_a_model_that_is_worse(
    tmp_path: Path, lexicon: Lexicon
) -> None:
    model = model_file.load(MODEL_FOLDER / WEIGHTS_FILE)
    blind = model_file.Weights(
        version="blind",
        lexicon=model.lexicon,
        ids=model.ids,
        matrix=np.zeros_like(model.matrix),
        bias=model.bias,
        decisions=model.decisions,
    )
    model_file.save(blind, tmp_path / WEIGHTS_FILE)
    (tmp_path / LEXICON_FILE).write_bytes((MODEL_FOLDER / LEXICON_FILE).read_bytes())
    assert gate.main(["--model", str(tmp_path)]) == 1


def test_the_gate_lets_a_hair_pass_and_names_what_fell() -> None:
    recorded = {"en/strict": 0.80}
    assert gate.worse({"en/strict": 0.79}, recorded) == []
    assert gate.worse({"en/strict": 0.78}, recorded) == [
        "en/strict: 0.780, was 0.800, may fall by 0.015"
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
