from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.classifier.linking.fingerprints import (
    FINGERPRINT_VERSION,
    MAX_CHARS,
    MAX_TERMS,
    FingerprintError,
    alike,
    day_of,
    decode,
    encode,
    fingerprint,
    shared_spans,
)
from services.classifier.linking.terms import Kind, stem, terms

STORY = """Marwick Vale Clinics said on Tuesday that records of 41,300 patients were copied from a server of its
booking partner Ostrel Data. Names, addresses and appointment notes were on it. The regional inspector, Ilse Brandt,
opened an inquiry and asked Ostrel Data to explain by 14 March 2024 why the server had no password. Patients are told
by letter. Marwick Vale Clinics has stopped sending records to the partner until the inquiry ends."""


@given(st.text(max_size=80), st.text(max_size=4000), st.sampled_from([None, "en", "zh"]), st.text(max_size=12))
def test_any_text_has_a_fingerprint_that_fits_in_an_event(
    title: str, text: str, language: str | None, published: str
) -> None:
    encoded = fingerprint(title, text, language, published)
    assert len(encoded) <= MAX_CHARS
    assert encoded.isascii()
    assert json.dumps(encoded) == f'"{encoded}"'
    assert encode(decode(encoded)) == encoded


def test_a_long_story_keeps_its_heaviest_terms_and_still_fits() -> None:
    story = STORY + " ".join(f"Word{n}x also{n}y" for n in range(3000))
    encoded = fingerprint("Marwick Vale records copied", story, "en", "2024-03-05")
    found = decode(encoded)
    assert len(encoded) <= MAX_CHARS
    assert len(found.hashes) <= MAX_TERMS
    marwick = decode(fingerprint("", "Marwick", "en")).hashes[0]
    assert marwick in found.hashes


def test_no_word_can_be_tested_against_a_fingerprint_without_the_key() -> None:
    kept = decode(fingerprint("", STORY, "en", key=b"of this house"))
    guess = decode(fingerprint("", STORY, "en", key=b"of another house"))
    assert not set(kept.hashes.tolist()) & set(guess.hashes.tolist())
    assert alike(kept, guess) == 0.0


def test_the_same_text_has_the_same_fingerprint_for_ever() -> None:
    # golden: another value means another FINGERPRINT_VERSION
    assert FINGERPRINT_VERSION == 1
    assert (
        fingerprint("Ostrel Data", "Ostrel lost 41,300 records on 14 March 2024.", "en", "2024-03-15", b"k") == GOLDEN
    )


GOLDEN = "0Zml`0|Nm^761SL|1_@u|NsC0|NsAe3jhEA|NsC0|NsB6-@qNXGOqq%%PDz|ETaQH7PEs)hM&fHqH+&itg%8mL_|O"


def test_kinds_of_terms_are_told_apart() -> None:
    found = terms("", "Ostrel Data lost 5.3 million records on March 14, 2024, said Ostrel.").by_text
    names = {term.text for term in found.values() if term.is_name()}
    assert {"ostrel", "data", "march"} <= names
    assert found["5300000"].kind is Kind.AMOUNT
    assert found["2024-03-14"].kind is Kind.DATE
    assert not found["record"].is_name()


@pytest.mark.parametrize(
    "text", ["14 March 2024", "March 14, 2024", "Mar. 14 2024", "2024-03-14", "2024年3月14日", "14th march 2024"]
)
def test_a_date_is_one_term_however_it_is_written(text: str) -> None:
    assert "2024-03-14" in terms("", f"On {text} it ended.").by_text


@pytest.mark.parametrize("text", ["5.3 million", "5,300,000", "5.3m", "530万"])
def test_an_amount_is_one_term_however_it_is_written(text: str) -> None:
    assert "5300000" in terms("", f"About {text} people").by_text


def test_chinese_is_read_in_bigrams_and_its_quoted_names_are_names() -> None:
    found = terms("", "奥斯特尔公司泄露患者资料,应用《云诊助手》已下架").by_text
    assert "患者" in found
    assert not found["患者"].is_name()
    assert found["云诊"].is_name()


def test_a_word_common_in_this_field_weighs_less_than_another() -> None:
    found = terms("", "database marmalade 公司 云诊").by_text
    assert found["databas"].weight(False) < found["marmalad"].weight(False)
    assert found["公司"].weight(False) < found["云诊"].weight(False)


@pytest.mark.parametrize(
    ("word", "stemmed"),
    [
        ("companies", "company"),
        ("Breached", "breach"),
        ("dropping", "drop"),
        ("Ostrel's", "ostrel"),
        ("virus", "virus"),
    ],
)
def test_endings_of_english_words_go(word: str, stemmed: str) -> None:
    assert stem(word) == stemmed
    assert stem("Their") == ""


def test_a_syndicated_copy_is_recognised_and_another_story_of_the_same_clinic_is_not() -> None:
    copy = STORY.replace("said on Tuesday", "announced on Tuesday") + " The agency contributed to this report."
    other = """Marwick Vale Clinics will open a house for children in the north of the town, its head Jonas Pell said.
    The town gives the ground, the clinics pay for walls and beds. Neighbours worry about traffic in the narrow lane.
    A first stone is to be laid in autumn, and nurses are sought already, also from abroad, Pell said."""
    one, two, three = (decode(fingerprint("", text, "en")) for text in (STORY, copy, other))
    assert alike(one, one) == 1.0
    assert alike(one, two) >= 0.7
    assert alike(one, three) <= 0.2


def test_texts_too_short_to_tell_are_not_alike() -> None:
    short = decode(fingerprint("", "Ostrel lost records.", "en"))
    assert alike(short, short) == 0.0


@pytest.mark.parametrize(
    ("published", "day"),
    [("1970-01-02", 1), ("2024-03-05T10:00:00Z", 19787), (None, 0), ("soon", 0), ("1899-01-01", 0)],
)
def test_days_count_from_1970_and_nonsense_has_none(published: str | None, day: int) -> None:
    assert day_of(published) == day


@pytest.mark.parametrize("broken", ["", "zzzz", "!" * 40, "päng", "~" * 200])
def test_what_is_no_fingerprint_is_refused_with_a_remedy(broken: str) -> None:
    with pytest.raises(FingerprintError, match="again"):
        decode(broken)


def test_another_version_is_not_compared() -> None:
    one = decode(fingerprint("", STORY, "en"))
    encoded = encode(one)
    first = encoded[:5]
    assert decode(first + encoded[5:]).day == one.day
    with pytest.raises(FingerprintError):
        decode("1" + encoded[1:])


def test_what_two_mentions_share_is_shown_in_the_text() -> None:
    other = decode(fingerprint("", "Ostrel Data leaves the town", "en", key=b"k"))
    text = "Partner Ostrel Data was named."
    assert [text[a:b] for a, b in shared_spans(text, other, b"k")] == ["Ostrel", "Data"]
    assert shared_spans(text, other, b"another") == []
