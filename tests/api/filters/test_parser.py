"""The filter language: what it accepts, what it refuses and where, and what it matches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.filters.matching import Facts, fields_used, matches
from services.api.filters.parser import (
    EVERYTHING,
    MAX_CHARS,
    MAX_DEPTH,
    MAX_TERMS,
    All,
    Any,
    Field,
    FilterError,
    Not,
    Words,
    parse,
)

LEAK = Facts(
    text="Harbour clinics left patient files open. 人脸识别数据泄露，医院道歉",
    labels=frozenset({"data_leak"}),
    sources=frozenset({"news example org"}),
    entities=frozenset({"harbour clinics"}),
    languages=frozenset({"en"}),
    statuses=frozenset({"open"}),
    days=("2026-03-02", "2026-03-09"),
    types=frozenset({"item.classified"}),
    subjects=frozenset({"i_abc"}),
)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", EVERYTHING),
        ("clinic", Words("clinic")),
        ("clin*", Words("clin", prefix=True)),
        (
            '"patient files" open',
            All((Words("patient files", quoted=True), Words("open"))),
        ),
        ("a OR b c", Any((Words("a"), All((Words("b"), Words("c")))))),
        ("label:data_leak", Field("label", "data_leak")),
        ("LABEL:Data_Leak", Field("label", "data_leak")),
        ("-label:consent", Not(Field("label", "consent"))),
        ("NOT (a OR b)", Not(Any((Words("a"), Words("b"))))),
        ('entity:"Harbour Clinics"', Field("entity", "harbour clinics")),
        ("a AND b", All((Words("a"), Words("b")))),
        ("12:30", Words("12:30")),
        ("泄露 新规", All((Words("泄露"), Words("新规")))),
        ("“人脸 识别”", Words("人脸 识别", quoted=True)),
        ("“人脸", Words("“人脸")),
        ("label：deepfake", Field("label", "deepfake")),
        ("source：“东岸 晚报”", Field("source", "东岸 晚报")),
        ("标题：泄露", Words("标题：泄露")),
    ],
)
def test_queries_are_read_as_written(text: str, tree: object) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ('a "b', 2, "quote"),
        ("(a", 0, "not closed"),
        ("a)", 1, "no"),
        ("a OR", 2, "both sides"),
        ("AND a", 0, "both sides"),
        ("a NOT", 2, "after it"),
        ("label:leak", 0, "data_leak"),
        ("colour:red", 0, "not a field"),
        ("after:soon", 0, "2026-03-31"),
        ("a lang:english", 2, "such as en or zh"),
        ("source:https://example.org/1", 0, "such as example.org"),
        ("label:", 0, "needs a value"),
        ("a !!", 2, "no letter"),
        ("()", 0, "nothing"),
    ],
)
def test_a_refusal_says_where_and_what(text: str, position: int, says: str) -> None:
    with pytest.raises(FilterError) as refused:
        parse(text)
    assert refused.value.position == position
    assert says in refused.value.message


def test_length_terms_and_depth_are_bounded() -> None:
    for text in (
        "a" * (MAX_CHARS + 1),
        "a " * (MAX_TERMS + 1),
        "(" * (MAX_DEPTH + 2) + "a" + ")" * (MAX_DEPTH + 2),
        "-" * 500 + "a",
    ):
        with pytest.raises(FilterError):
            parse(text)


@given(st.text(alphabet='ab:-()"* ORANDNOTlabel泄露\u3000', max_size=80))
def test_any_text_is_parsed_or_refused_with_a_position(text: str) -> None:
    position = 0
    try:
        matches(parse(text), LEAK)
    except FilterError as error:
        position = error.position
    assert 0 <= position <= len(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "clinics",
        "CLINICS",
        "clin*",
        '"patient files"',
        "泄露",
        "人脸识别",
        "label:data_leak",
        "source:example.org",
        "source:news.example.org",
        "lang:en status:open",
        "after:2026-03-09 before:2026-03-03",
        "type:item. subject:i_abc",
        "-label:consent",
        "label:consent OR label:data_leak",
        'entity:"Harbour Clinics"',
    ],
)
def test_matches(text: str) -> None:
    assert matches(parse(text), LEAK)


@pytest.mark.parametrize(
    "text",
    [
        "clin",
        '"files patient"',
        "新规",
        "label:consent",
        "source:ample.org",
        "NOT clinics",
        "after:2026-03-10",
        "before:2026-03-02",
        "label:data_leak label:consent",
    ],
)
def test_does_not_match(text: str) -> None:
    assert not matches(parse(text), LEAK)


def test_the_fields_of_a_query_are_known_without_deciding_it() -> None:
    assert fields_used(parse('a -label:consent ("b c" OR lang:en)')) == {
        "text",
        "label",
        "lang",
    }
