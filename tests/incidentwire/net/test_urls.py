"""The canonical URL, held by golden vectors: a vector that changes is a new CANONICAL_VERSION, and new ids."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from incidentwire.net.urls import (
    CANONICAL_VERSION,
    TRACKING,
    UrlError,
    canonicalize,
    item_id,
    registrable_domain,
    split,
    text_item_id,
)

VECTORS: dict[str, Any] = json.loads(
    Path(__file__).with_name("url_vectors.json").read_text(encoding="utf-8")
)


def test_the_vectors_are_those_of_this_version() -> None:
    assert VECTORS["canonical_version"] == CANONICAL_VERSION


@pytest.mark.parametrize(
    ("why", "given_url", "canonical"),
    VECTORS["canonical"],
    ids=lambda value: str(value)[:60],
)
def test_a_url_has_its_canonical_form(why: str, given_url: str, canonical: str) -> None:
    assert canonicalize(given_url) == canonical, why
    assert canonicalize(canonical) == canonical


@pytest.mark.parametrize(
    ("why", "url"), VECTORS["refused"], ids=[why for why, _ in VECTORS["refused"]]
)
def test_what_is_no_plain_web_address_is_refused_with_a_remedy(
    why: str, url: str
) -> None:
    with pytest.raises(UrlError, match=r": \w+|: / or"):
        canonicalize(url)


def test_2000_characters_are_allowed_and_one_more_is_not() -> None:
    longest = "https://paper.example/".ljust(2_000, "a")
    assert canonicalize(longest) == longest
    for too_long in (
        longest + "a",
        "https://paper.example/" + "é" * 1_000,
        longest + "?utm_source=x",
    ):
        with pytest.raises(UrlError, match="2,000"):
            canonicalize(too_long)


@pytest.mark.parametrize("name", sorted(TRACKING))
def test_a_listed_parameter_is_in_lower_case_and_goes(name: str) -> None:
    assert name == name.lower()
    assert (
        canonicalize(f"https://paper.example/a?{name.upper()}=1&id=7")
        == "https://paper.example/a?id=7"
    )


URL_CHARS = st.text(
    alphabet=st.sampled_from(
        "aZ09é数%2eEfF/.?#&=:@[]\\ +'\"{}|;,\u00ad。０xn--utm_fbclid~"
    ),
    max_size=60,
)


@given(st.one_of(st.text(max_size=80), URL_CHARS))
@example("xn--a")
@example("0x" + "f" * 40)
@example("[::ffff:1.2.3.4]")
@example("a%")
@example("۱۲۷.0.0.1")
def test_no_text_raises_anything_but_a_url_error_and_twice_is_as_once(
    text: str,
) -> None:
    for url in (
        text,
        "https://" + text,
        "http://paper.example/" + text,
        "http://paper.example/?" + text,
    ):
        try:
            canonical = canonicalize(url)
        except UrlError:
            continue
        assert canonicalize(canonical) == canonical
        assert re.fullmatch(r"https?://[!-~]+", canonical)
        assert "#" not in canonical
        assert registrable_domain(canonical)
        parts = split(canonical)
        assert urlsplit(canonical).hostname == parts.host.strip("[]")


@given(
    st.lists(
        st.sampled_from(
            ["id=7", "source=4", "q=a+b", "utm_source=x", "fbclid=y", "x=%41"]
        ),
        max_size=6,
    ),
    st.sampled_from(["", "#top", "#utm_source=1"]),
)
def test_tracking_never_makes_another_item(pairs: list[str], fragment: str) -> None:
    def url(kept: list[str]) -> str:
        return "https://paper.example/a" + ("?" + "&".join(kept) if kept else "")

    without = [pair for pair in pairs if not pair.startswith(("utm_", "fbclid"))]
    assert canonicalize(url(pairs) + fragment) == canonicalize(url(without))


def test_an_item_id_is_100_bits_and_never_changes() -> None:
    assert item_id("https://paper.example/2026/breach.html") == "i_njswxhuuk5dk7ckkndxl"
    assert (
        text_item_id(
            "A breach at Nordhavn Mutual", "Claims of 40,000 people were open."
        )
        == "i_urymmcq6n3rxuhhpfszd"
    )
    assert re.fullmatch(r"i_[a-z2-7]{20}", item_id("https://paper.example/"))


def test_http_and_https_are_two_items() -> None:
    assert item_id(canonicalize("http://paper.example/a")) != item_id(
        canonicalize("https://paper.example/a")
    )


def test_a_text_is_the_same_item_in_any_white_space_and_unicode_form() -> None:
    first = text_item_id("Caf\u00e9 leak", "One line.\n\nAnother\tline.")
    assert (
        text_item_id("  Cafe\u0301   leak\n", "One line. Another\u3000line. ") == first
    )
    assert text_item_id("Caf\u00e9 leak", "One line. Another line!") != first
    assert text_item_id("", "Caf\u00e9 leak One line. Another line.") != first
    with pytest.raises(UrlError, match="valid UTF-8"):
        text_item_id("title", "\ud800")


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_has_an_id(title: str, text: str) -> None:
    assert re.fullmatch(r"i_[a-z2-7]{20}", text_item_id(title, text))


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://www.paper.co.uk/a", "paper.co.uk"),
        ("https://amp.news.paper.com/a", "paper.com"),
        ("https://alice.github.io/a", "alice.github.io"),
        ("https://bob.blogspot.com/", "bob.blogspot.com"),
        ("https://新闻.中国/", "xn--efvy88h.xn--fiqs8s"),
        ("https://news.gov.cn/", "news.gov.cn"),
        ("http://127.0.0.1:8001/", "127.0.0.1"),
        ("http://[::1]/", "[::1]"),
        ("http://localhost:8001/", "localhost"),
        ("https://a.b.invalid/", "a.b.invalid"),
    ],
)
def test_a_registrable_domain_is_where_one_owner_stands(url: str, domain: str) -> None:
    assert registrable_domain(url) == domain
