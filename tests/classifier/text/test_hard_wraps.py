"""Lines broken at a width change neither labels nor evidence."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.classifier.labelling.classifier import Classifier
from services.classifier.text.hard_wraps import unwrapped

STORY = (
    "The Oakmere clinic chain said on Monday that the names, addresses and appointment notes of about 61,000 of its"
    " patients had been open to anyone on a server without a password since the autumn, and that it was sorry.\n\n"
    "A researcher found the records when she looked for her own. The data protection authority has opened an inquiry"
    " into the breach, and may fine the chain up to four per cent of what it earns in a year, a spokesman said.\n\n"
    "What patients can do\n\n"
    "Whoever was treated there after the spring of last year should expect a letter, the chain said, and should not"
    " answer calls from people who say that they are from the bank and know the day of their last visit."
)
WORDS = st.lists(
    st.sampled_from(
        "the records of many patients were found on an open server in town".split()
    ),
    min_size=40,
)


def wrapped(text: str, width: int) -> str:
    """As a mail program does it: a blank becomes a line break."""
    wrap = textwrap.TextWrapper(
        width=width, break_long_words=False, break_on_hyphens=False
    )
    return "\n\n".join(
        "\n".join(wrap.wrap(paragraph)) for paragraph in text.split("\n\n")
    )


@pytest.mark.parametrize("width", [60, 72, 80, 100])
def test_a_wrapped_text_is_read_as_the_same_text_unwrapped(width: int) -> None:
    assert unwrapped(wrapped(STORY, width)) == STORY
    assert (
        unwrapped(wrapped(STORY, width).replace("\n", "\r\n")).split() == STORY.split()
    )
    classifier = Classifier.load()
    result = classifier.classify("", wrapped(STORY, width))
    plain = classifier.classify("", STORY)
    assert plain.labels
    assert result == plain


@given(st.lists(WORDS, min_size=1, max_size=4), st.integers(50, 110))
def test_only_breaks_within_paragraphs_go_and_no_character_moves(
    paragraphs: list[list[str]], width: int
) -> None:
    text = "\n\n".join(" ".join(words) + "." for words in paragraphs)
    result = unwrapped(wrapped(text, width))
    assert len(result) == len(text)
    assert result.split() == text.split()
    assert result.count("\n\n") == text.count("\n\n")


@given(st.text(max_size=400))
def test_any_text_keeps_its_length_and_its_words(text: str) -> None:
    assert len(unwrapped(text)) == len(text)
    assert unwrapped(text).split() == text.split()


@pytest.mark.parametrize(
    "text",
    [
        "Zoom sued over data\nfacebook fined in Ireland\nClearview banned by the city\nNames of patients found online",
        "Names leaked.\nthe police look into it.\nthe bank is sorry.\nthe court will hear it.\nthe end.",
        "- names of\n- addresses of\n- numbers of\n- notes of\n- the rest of",
        "\n".join(paragraph.replace("\n", " ") for paragraph in STORY.split("\n\n")),
        "公司表示，用户数据\n已经泄露，\n警方正在调查\n此事。",
    ],
)
def test_lines_that_stand_for_themselves_stay(text: str) -> None:
    assert unwrapped(text) == text
