from __future__ import annotations

import typing
from pathlib import Path

import pytest
from rich.style import Style

from incidentwire.labels import (
    BORDERS,
    LABEL_TABLE,
    LABELS,
    Label,
    MentionId,
    certainty,
)
from services.classifier.labelling.classifier import Classifier
from services.classifier.llm_review import INSTRUCTIONS


def test_type_table_and_model_have_the_same_labels() -> None:
    assert typing.get_args(Label) == LABELS
    assert set(Classifier.load().classify("", "").scores) == set(LABELS)


def test_every_label_says_what_it_means_to_people_and_to_the_reviewing_model() -> None:
    for name, label in LABEL_TABLE.items():
        assert f"{name}: {label.meaning}." in INSTRUCTIONS
        assert label.excludes in INSTRUCTIONS
        assert Style.parse(label.colour).color is not None


def test_the_borders_are_in_the_documentation_and_in_the_prompt() -> None:
    page = Path("docs/labels.md").read_text(encoding="utf-8")
    for border in BORDERS:
        assert border in page
        assert border in INSTRUCTIONS


def test_certainty_is_a_word_for_labels_and_doubt() -> None:
    assert certainty("consent", ["consent"], []) == "likely"
    assert certainty("consent", ["consent"], ["consent"]) == "possible"
    assert certainty("consent", [], ["consent"]) == "unsure"
    assert certainty("consent", ["deepfake"], ["language"]) is None


def test_a_mention_id_is_read_back_from_its_text() -> None:
    mention = MentionId("i_a", "m12")
    assert str(mention) == f"{mention}" == "i_a#m12"
    assert MentionId.parse(str(mention)) == mention


def test_text_without_a_hash_is_no_mention_id() -> None:
    with pytest.raises(ValueError, match="Use <item>#<mention>"):
        MentionId.parse("i_a")
