"""Sentences and clauses with offsets, in English and Chinese."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.classifier.text.sentences import (
    HEAD_CHARS,
    LONGEST_CLAUSE_CHARS,
    TAIL_CHARS,
    sentences,
)


def result(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


def test_a_full_stop_ends_a_sentence_and_an_abbreviation_does_not() -> None:
    text = "Dr. Imke Falk of Lumen Inc. spoke at 3 p.m. on Friday. The clinic said nothing. J. R. Osei agreed."
    assert result(text) == [
        "Dr. Imke Falk of Lumen Inc. spoke at 3 p.m. on Friday.",
        "The clinic said nothing.",
        "J. R. Osei agreed.",
    ]


def test_a_decimal_number_and_a_web_address_stay_whole() -> None:
    text = (
        "About 2.6 million records were on files.example.org for weeks. Nobody noticed."
    )
    assert result(text) == [
        "About 2.6 million records were on files.example.org for weeks.",
        "Nobody noticed.",
    ]


def test_a_closing_quote_belongs_to_its_sentence() -> None:
    text = "“We never agreed.” She left. 他说：“没人问过我。”然后走了。"
    assert result(text) == [
        "“We never agreed.”",
        "She left.",
        "他说：“没人问过我。”",
        "然后走了。",
    ]


def test_chinese_sentences_end_without_a_space() -> None:
    assert result("数据被放到网上。公司拒绝回应！谁来负责？") == [
        "数据被放到网上。",
        "公司拒绝回应！",
        "谁来负责？",
    ]


def test_a_line_break_ends_a_sentence_without_a_mark() -> None:
    assert result("Heading without a stop\nThe text goes on here.") == [
        "Heading without a stop",
        "The text goes on here.",
    ]


def test_a_very_long_sentence_is_cut_at_clauses() -> None:
    clause = "the registry kept the photographs of every visitor who had come through the northern gate that year"
    text = "; ".join([clause] * 12) + "."
    parts = result(text)
    assert len(parts) > 3
    assert all(len(part) <= LONGEST_CLAUSE_CHARS for part in parts)


def test_a_line_without_any_mark_is_cut_hard() -> None:
    parts = sentences("x" * 5_000)
    assert all(end - start <= LONGEST_CLAUSE_CHARS for start, end in parts)
    assert sum(end - start for start, end in parts) == 5_000


def test_of_a_very_long_text_head_and_tail_are_read() -> None:
    text = "Word one here. " * 40_000
    spans = sentences(text)
    assert all(
        end <= HEAD_CHARS or start >= len(text) - TAIL_CHARS for start, end in spans
    )
    assert spans[-1][1] >= len(text) - 20


@pytest.mark.parametrize("text", ["", " ", "\n\n\n", "\u3000"])
def test_a_blank_text_has_no_sentence(text: str) -> None:
    assert sentences(text) == []


@settings(max_examples=200, deadline=None)
@given(
    st.text(alphabet=st.sampled_from('aB.!?。！？ \n"”’;,，：—\u2028\r1'), max_size=300)
    | st.text(max_size=300)
)
def test_spans_are_in_order_inside_the_text_and_lose_nothing_but_white_space(
    text: str,
) -> None:
    spans = sentences(text)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    kept = "".join(text[start:end] for start, end in spans)
    assert "".join(kept.split()) == "".join(text.split())
