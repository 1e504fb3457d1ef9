"""Scores are sums over features: of a text, of its parts, of many texts at once."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incidentwire.labels import LABELS
from services.classifier.labelling import model_file
from services.classifier.labelling.analyzed_text import (
    analyze,
    plain_terms,
    sentences_in,
    term_names,
    untitled,
)
from services.classifier.labelling.chinese_patterns import (
    BETWEEN,
    ChinesePatternMatcher,
)
from services.classifier.labelling.classifier import MODEL_FOLDER, Classifier
from services.classifier.labelling.lexicon import Lexicon
from services.classifier.labelling.model_file import LEXICON_FILE, WEIGHTS_FILE
from services.classifier.labelling.scoring import Scorer
from services.classifier.text.bigrams import (
    bigram,
    bigrams,
    distinct,
    letters,
)
from services.classifier.text.sentences import sentences

LEXICON = Lexicon.load(MODEL_FOLDER / LEXICON_FILE)
MODEL = model_file.load(MODEL_FOLDER / WEIGHTS_FILE)
SCORER = Scorer(MODEL)

CHINESE = (
    "黑客入侵汐岚酒店，四十万名客人的姓名和身份证号被泄露。酒店建于一九九八年。\n"
    "绿湾公园未经游客同意采集人脸信息，网信办约谈了该公司。公园门票二十元！AI换脸视频流传，平台称“深表歉意”；警方已立案。"
)
MIXED = "Hackers stole patient records of 9,000 people. 该公司未经用户同意收集人脸信息。 It rained in \u0130zmir. GDPR罚款，AI。"
TEXTS = [
    "",
    "。",
    "泄",
    CHINESE,
    MIXED,
    "It rained. It rained again, and rained and rained.",
    "数据泄露"
    * 700,  # without a mark: cut into clauses, whose last and first characters are no pair
    "泄\ud800露 泄😀露 𠀀泄露𠀀。\udfff用户信息泄露",
    "かな漢字まじり。한국어 개인정보 유출。",
    "用户信息。" * 20_000,  # only head and tail are analyze
]


def by_name(title: str, text: str) -> list[float]:
    """Return the scores by their definition."""
    contributions = SCORER.contributions(analyze(title, text, LEXICON), {})
    outcome = sum((added for _, _, added in contributions), np.zeros(len(LABELS)))
    return [float(one) for one in outcome + np.array(MODEL.bias)]


@pytest.mark.parametrize("title", ["", "酒店泄露客人信息 Hotel leaks data"])
@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_scores_are_the_sum_over_the_named_features(title: str, text: str) -> None:
    assert SCORER.raw([analyze(title, text, LEXICON)])[0] == pytest.approx(
        by_name(title, text), abs=1e-5
    )


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=20),
    st.text(max_size=200)
    | st.lists(
        st.sampled_from([*CHINESE, *MIXED, "\ud800", "😀", "\n"]), max_size=200
    ).map("".join),
)
def test_scores_of_any_text_are_that_sum(title: str, text: str) -> None:
    assert SCORER.raw([analyze(title, text, LEXICON)])[0] == pytest.approx(
        by_name(title, text), abs=1e-5
    )


@pytest.mark.parametrize("text", TEXTS[3:], ids=range(3, len(TEXTS)))
def test_a_part_scores_as_a_document_made_of_it(text: str) -> None:
    whole = analyze("A title", text, LEXICON)
    spans = sentences(text)
    stretches = [
        (spans[0][0], spans[-1][1]),
        *spans[:20],
        (spans[0][0], spans[len(spans) // 2][1]),
    ]
    found = SCORER.raw([untitled(body) for body in sentences_in(whole, stretches)])
    for (start, end), scores in zip(stretches, found, strict=True):
        if end - start < 60_000:
            assert scores == pytest.approx(
                SCORER.raw([analyze("", text[start:end], LEXICON)])[0], abs=1e-5
            )


def test_texts_scored_together_score_as_each_alone() -> None:
    readings = [
        analyze(title, text, LEXICON)
        for text in TEXTS
        for title in ("", "身份证号被泄露")
    ]
    together = SCORER.raw(readings)
    for reading, scores in zip(readings, together, strict=True):
        assert scores == pytest.approx(SCORER.raw([reading])[0], abs=1e-9)


def test_a_sentence_scores_as_it_would_as_a_document() -> None:
    body = analyze("", CHINESE + MIXED, LEXICON).body
    for _ in range(2):  # the second time from memory
        for sentence, scores in zip(body, SCORER.sentences(body), strict=True):
            alone = SCORER.raw([untitled((sentence,))])[0]
            assert scores == pytest.approx(alone, abs=1e-9)


def test_a_letter_that_grows_in_lower_case_moves_nothing() -> None:
    text = "\u0130" * 40 + "。黑客入侵汐岚酒店，四十万名客人的姓名和身份证号被泄露。"
    answer = Classifier.load().classify("", text)
    assert [text[start:end] for start, end in answer.evidence["data_leak"]] == [
        text[41:]
    ]


def test_terms_of_a_passage_are_its_words_and_pairs() -> None:
    assert set(term_names("The leaks: 数据，泄露").values()) == {"leak", "数据", "泄露"}
    assert plain_terms("The leaks: 数据") == term_names("The leaks: 数据").keys()
    assert plain_terms("") == frozenset()


PATTERNS = [
    ("one", "泄"),
    ("one", "罚"),
    ("two", "泄露"),
    ("three", "身份证"),
    ("long", "身份证号被"),
    ("gap", "身份~露"),
    ("gap", "罚~元"),
    ("latin", "AI"),
    ("latin", "gpt"),
    ("mixed", "AI换脸"),
    ("beyond", "😀😀"),
    ("beyond two", "泄😀露"),
    ("blank", "a 泄"),
]


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.text(alphabet="泄露罚身份证号被元aAiIGpt换脸😀😁 ，。\0", max_size=14),
        max_size=6,
    )
)
def test_patterns_are_found_where_a_plain_search_finds_them(result: list[str]) -> None:
    text = ""
    bounds = []
    for one in result:
        text += " " + one
        bounds.append((len(text) - len(one), len(text)))
    lower = text.lower()
    found = ChinesePatternMatcher(PATTERNS).find(
        lower, letters(lower), np.array(bounds, dtype=np.int64).reshape(-1, 2)
    )
    for one, concepts in zip(result, found, strict=True):
        search = {
            concept
            for concept, pattern in PATTERNS
            if re.search(
                BETWEEN.join(map(re.escape, pattern.lower().split("~"))), one.lower()
            )
        }
        assert concepts == (search if re.search("[\u3400-\u9fff]", one) else set())


@given(st.lists(st.integers(0, 40), max_size=60))
def test_distinct_codes_are_counted(codes: list[int]) -> None:
    found, counts = distinct(np.array(codes, dtype=np.int64))
    wanted, wanted_counts = np.unique(
        np.array(codes, dtype=np.int64), return_counts=True
    )
    assert (found.tolist(), counts.tolist()) == (
        wanted.tolist(),
        wanted_counts.tolist(),
    )


def test_a_bigram_is_read_back_from_its_code() -> None:
    assert [
        bigram(code) for code in bigrams(letters("泄露了"), np.array([0, 1])).tolist()
    ] == ["泄露", "露了"]
    assert letters("a\ud800😀").tolist() == [0x61, 0xD800, 0xFFFF]
