from __future__ import annotations

import datetime
import hashlib
import itertools
import json

import numpy as np
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
    shared_terms,
)
from services.classifier.linking.term_hashes import TermHasher
from services.classifier.linking.terms import (
    LATER_SHARE,
    LEAD_WORDS,
    PLAIN,
    TermKind,
    heaviest,
    terms,
)
from services.classifier.text.bigrams import bigram
from services.classifier.text.tokenizer import term_of

STORY = """Marwick Vale Clinics said on Tuesday that records of 41,300 patients were copied from a server of its
booking partner Ostrel Data. Names, addresses and appointment notes were on it. The regional inspector, Ilse Brandt,
opened an inquiry and asked Ostrel Data to explain by 14 March 2024 why the server had no password. Patients are told
by letter. Marwick Vale Clinics has stopped sending records to the partner until the inquiry ends."""


@given(
    st.text(max_size=80),
    st.text(max_size=4000),
    st.text(max_size=12),
)
def test_any_text_has_a_fingerprint_that_fits_in_an_event(
    title: str, text: str, published: str
) -> None:
    encoded = fingerprint(title, text, published)
    assert len(encoded) <= MAX_CHARS
    assert encoded.isascii()
    assert json.dumps(encoded) == f'"{encoded}"'
    assert encode(decode(encoded)) == encoded


def test_a_long_story_keeps_its_heaviest_terms_and_of_equal_ones_the_first() -> None:
    fillers = [
        "".join(letters) + "ox" for letters in itertools.product("bdfgklmn", repeat=3)
    ]
    encoded = fingerprint("", f"{' '.join(fillers)}. {STORY}", "2024-03-05")
    found = decode(encoded)
    assert len(encoded) <= MAX_CHARS
    assert len(found.hashes) == MAX_TERMS

    def kept(word: str) -> bool:
        return decode(fingerprint("", word)).hashes[0] in found.hashes

    heavy = ("Marwick", "Brandt", "partner")
    assert all(map(kept, heavy))
    first_left = next(n for n, word in enumerate(fillers) if not kept(word))
    assert 60 < first_left < MAX_TERMS
    assert not any(map(kept, fillers[first_left:]))


def test_no_word_can_be_tested_against_a_fingerprint_without_the_key() -> None:
    kept = decode(fingerprint("", STORY, key=b"of this installation"))
    guess = decode(fingerprint("", STORY, key=b"of another installation"))
    assert not set(kept.hashes.tolist()) & set(guess.hashes.tolist())
    assert alike(kept, guess) == 0.0


def test_the_same_text_has_the_same_fingerprint_for_ever() -> None:
    # golden: once a release has written version 1, another value means another version
    assert FINGERPRINT_VERSION == 1
    assert (
        fingerprint(
            "Ostrel Data",
            "Ostrel lost 41,300 records on 14 March 2024.",
            "2024-03-15",
            b"k",
        )
        == GOLDEN
    )


def test_a_chinese_text_too_has_the_same_fingerprint_for_ever() -> None:
    text = "记者获悉，应用《云诊助手》的数据库未设密码，约四万名患者的姓名和就诊记录外泄（含4.13万条）。Ostrel 公司未回应……"
    assert (
        fingerprint("云诊助手泄露患者资料", text, "2024-03-15", b"k") == CHINESE_GOLDEN
    )


GOLDEN = "0Zml{0|Eg@761SL|1_@u|NsC0|NsAe3jhEA|NsC0|NsB6-@qN8#(B6huKr=mDS3`8qXRw`vx7{AqH+&itg%ERq(nd"
CHINESE_GOLDEN = (
    "0ZmmW0RaF6_6#*!SR$|mr4TA9R`-iw`hCAg5cB^3{}ga_%R4~<MgIlpn+EFD4NtugO_C8F1RCa}B?av)rVK9w%t6|{"
    "N7ryj@CZ)abWqGIQ}BXU^W0l&7hE;dgn&JTHi(9)(Ths$jNtT~9kHDB$(=obz>zz~?m^I;lH2XW;n*bQ&aLmBy7Ug="
    "^d2Pj=^Xy>>HkN6ETaR1Ool{6CPYX?WJE?tL`Fn}LPSC&ghfC"
)


def read(title: str, text: str) -> dict[str, tuple[TermKind, float]]:
    """Kind and weight of each term, by its text."""
    found = terms(title, text, MAX_TERMS)
    result = zip(
        found.codes.tolist(), found.kinds.tolist(), found.weights.tolist(), strict=True
    )
    return {found.text(code): (TermKind(kind), weight) for code, kind, weight in result}


def test_kinds_of_terms_are_told_apart() -> None:
    found = read(
        "", "Ostrel Data lost 5.3 million records on March 14, 2024, said Ostrel."
    )
    assert {term for term, (kind, _) in found.items() if kind is TermKind.NAME} == {
        "ostrel",
        "data",
        "march",
    }
    assert found["5300000"][0] is TermKind.AMOUNT
    assert found["2024-03-14"][0] is TermKind.DATE
    assert found["record"][0] is TermKind.WORD


def test_terms_weigh_by_repetition_place_and_kind() -> None:
    found = read("marmalade", "Marmalade jam jam honey Ostrel")
    assert found == {
        "marmalad": (TermKind.NAME, pytest.approx(1.5 * 1.25 * 4 / 3)),
        "jam": (TermKind.WORD, pytest.approx(4 / 3)),
        "honey": (TermKind.WORD, 1.0),
        "ostrel": (TermKind.NAME, 1.25),
    }
    assert next(iter(found)) == "marmalad"


@pytest.mark.parametrize(
    "text",
    [
        "14 March 2024",
        "March 14, 2024",
        "Mar. 14 2024",
        "2024-03-14",
        "2024年3月14日",
        "14th march 2024",
    ],
)
def test_a_date_is_one_term_however_it_is_written(text: str) -> None:
    assert "2024-03-14" in read("", f"On {text} it ended.")


def test_every_month_is_read() -> None:
    months = [datetime.date(2024, month, 7) for month in range(1, 13)]
    found = read("", ". ".join(f"{day:%B} 7, 2024" for day in months))
    assert {day.isoformat() for day in months} <= found.keys()


@pytest.mark.parametrize("text", ["5.3 million", "5,300,000", "5.3m", "530万"])
def test_an_amount_is_one_term_however_it_is_written(text: str) -> None:
    assert "5300000" in read("", f"About {text} people")


def test_chinese_is_read_in_bigrams_and_its_quoted_names_are_names() -> None:
    found = read(
        "", "奥斯特尔公司泄露患者资料，应用《云诊助手》已下架，患者称“云诊”Ostrel 患者"
    )
    assert found["患者"] == (TermKind.WORD, 1.5)
    assert found["云诊"] == (TermKind.NAME, pytest.approx(1.25 * 4 / 3))
    assert "用云" not in found
    mixed = terms("", "患者Ostrel 41记录", MAX_TERMS)
    assert [mixed.text(code) for code in mixed.sequence.tolist()] == [
        "患者",
        "ostrel",
        "41",
        "记录",
    ]


def test_a_bigram_is_a_name_only_where_it_was_quoted_at_first() -> None:
    assert read("", "云诊助手又名《云诊》")["云诊"][0] is TermKind.WORD
    assert read("", "《云诊》又名云诊助手")["云诊"][0] is TermKind.NAME


def test_what_a_long_text_says_only_after_its_first_words_weighs_less() -> None:
    early = "marrow"
    late = "turnip"
    found = terms(
        "", f"{early} " + "filler " * LEAD_WORDS + f"{late} {early}", MAX_TERMS
    )
    weight = {
        found.text(code): value
        for code, value in zip(
            found.codes.tolist(), found.weights.tolist(), strict=True
        )
    }
    assert weight[late] == LATER_SHARE < 1.0
    assert weight[early] == 2 * 2 / 3
    assert weight["filler"] > 1.9


def test_a_word_common_in_this_field_weighs_less_than_another() -> None:
    found = read("", "database marmalade 公司 云诊")
    assert found["databas"][1] < found["marmalad"][1]
    assert found["公司"][1] < found["云诊"][1]


def test_digests_stay_the_same_while_others_come_and_go() -> None:
    # more bigrams and words than are remembered at once, with the same slots again and again
    digests = TermHasher(b"k")
    for start in range(0x4E00, 0x9000, 40):
        codes = np.array(
            [
                first << 16 | 0x4E00 + second
                for first in range(start, start + 40)
                for second in range(25)
            ]
        )
        words = [f"w{start}x{n}" for n in range(200)]
        mixed = np.concatenate((codes, PLAIN + np.arange(len(words))))
        for _ in range(2):
            found = digests.of_codes(mixed, words)
            for at in (0, 7, len(codes) - 1):
                assert found[at] == digests.of(bigram(int(codes[at])))
            assert found[-1] == digests.of(words[-1])
    expected = hashlib.blake2b("公司".encode(), digest_size=8, key=b"k").digest()
    assert digests.of("公司") == int.from_bytes(expected, "big")


@pytest.mark.parametrize(
    ("word", "stemmed"),
    [
        ("companies", "compani"),
        ("Breached", "breach"),
        ("dropping", "drop"),
        ("Ostrel's", "ostrel"),
        ("Ostrel\u2019s", "ostrel"),
        ("virus", "virus"),
        ("Their", ""),
        ("x", ""),
    ],
)
def test_a_term_is_a_stem_without_case_and_possessive(word: str, stemmed: str) -> None:
    assert term_of(word) == stemmed


def test_a_syndicated_copy_is_recognised_and_another_story_of_the_same_clinic_is_not() -> (
    None
):
    copy = (
        STORY.replace("said on Tuesday", "announced on Tuesday")
        + " The agency contributed to this report."
    )
    other = """Marwick Vale Clinics will open a house for children in the north of the town, its head Jonas Pell said.
    The town gives the ground, the clinics pay for walls and beds. Neighbours worry about traffic in the narrow lane.
    A first stone is to be laid in autumn, and nurses are sought already, also from abroad, Pell said."""
    one, two, three = (decode(fingerprint("", text)) for text in (STORY, copy, other))
    assert alike(one, one) == 1.0
    assert alike(one, two) >= 0.7
    assert alike(one, three) <= 0.2


def test_texts_too_short_to_tell_are_not_alike() -> None:
    short = decode(fingerprint("", "Ostrel lost records."))
    assert alike(short, short) == 0.0


@pytest.mark.parametrize(
    ("published", "day"),
    [
        ("1970-01-02", 1),
        ("2024-03-05T10:00:00Z", 19787),
        (None, 0),
        ("2024-03", 0),
        ("soon", 0),
        ("1899-01-01", 0),
    ],
)
def test_days_count_from_1970_and_nonsense_has_none(
    published: str | None, day: int
) -> None:
    assert day_of(published) == day


@pytest.mark.parametrize("broken", ["", "zzzz", "!" * 40, "päng", "~" * 200])
def test_what_is_no_fingerprint_is_refused_with_a_remedy(broken: str) -> None:
    with pytest.raises(FingerprintError, match="again"):
        decode(broken)


def test_another_version_is_not_compared() -> None:
    one = decode(fingerprint("", STORY))
    encoded = encode(one)
    first = encoded[:5]
    assert decode(first + encoded[5:]).day == one.day
    with pytest.raises(FingerprintError):
        decode("1" + encoded[1:])


def test_what_two_mentions_share_is_shown_in_the_text() -> None:
    other = decode(fingerprint("", "Ostrel Data leaves the town", key=b"k"))
    text = "Partner Ostrel Data was named."
    shared = shared_terms(text, other, b"k")
    assert [text[start:end] for start, end, _ in shared] == ["Ostrel", "Data"]
    assert shared_terms(text, other, b"another") == []


@given(
    st.lists(st.sampled_from([0.6, 1.0, 4 / 3, 1.5]), max_size=60), st.integers(1, 70)
)
def test_the_heaviest_come_first_and_of_equal_weights_the_earlier(
    weights: list[float], most: int
) -> None:
    first = np.random.default_rng(1).permutation(len(weights))
    wanted = sorted(range(len(weights)), key=lambda n: (-weights[n], first[n]))[:most]
    assert heaviest(np.array(weights, dtype=np.float64), first, most).tolist() == wanted
