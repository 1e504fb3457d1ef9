"""The stemmer that labels and links share."""

from __future__ import annotations

import pytest

from incidentwire.stem import MAX_CHARS, stem
from services.classifier.text.stop_words import STOP_WORDS


@pytest.mark.parametrize(
    ("words", "stemmed"),
    [
        ("leak leaks leaked leaking", "leak"),
        ("company companies", "compani"),
        ("breach breaches breached", "breach"),
        ("regulation regulations", "regul"),
        ("data", "data"),
    ],
)
def test_the_forms_of_an_english_word_have_one_stem(words: str, stemmed: str) -> None:
    assert {stem(word) for word in words.split()} == {stemmed}


@pytest.mark.parametrize("letters", ["y", "s'", "abi", "\u6570"])
def test_a_word_longer_than_any_real_one_stays_as_it_is(letters: str) -> None:
    word = letters * (MAX_CHARS + 1)
    assert stem(word) == word


def test_a_word_with_a_lone_surrogate_stays_as_it_is() -> None:
    assert stem("caf\ud800s") == "caf\ud800s"


def test_stop_words_are_lower_case_and_no_word_of_the_field_is_one() -> None:
    assert all(word == word.lower() for word in STOP_WORDS)
    assert not STOP_WORDS & {"without", "against", "consent", "must", "illegal"}
