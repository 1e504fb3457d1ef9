"""What is held back from the classifier, and what must not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.classifier.extraction.boilerplate import is_boilerplate
from services.classifier.extraction.completeness import (
    THRESHOLD,
    PageSignals,
    count_words,
    judge,
)
from services.classifier.extraction.extract import Document, extract

PAGES = Path(__file__).parent.parent.parent / "pages"
SENTENCE = "The clerk of Halm sent the names of voters to an address that was not the one he had meant. "


def read(name: str) -> Document:
    return extract(
        (PAGES / name).read_bytes(),
        media_type="text/html",
        charset=None,
        url=f"https://tidewater.example/{name}",
    )


@pytest.mark.parametrize(
    "name", ["harbour_leak.html", "brief.html", "brief_zh.html", "consent_story.html"]
)
def test_a_whole_story_passes_however_short(name: str) -> None:
    found = read(name)
    assert found.shortcoming is None
    assert found.completeness >= THRESHOLD


@pytest.mark.parametrize("name", ["paywall", "consent_wall", "script_only", "teaser"])
def test_a_page_that_shows_less_than_its_story_says_what_it_is(name: str) -> None:
    found = read(f"{name}.html")
    assert found.shortcoming == name
    assert found.completeness < THRESHOLD


def test_an_error_page_that_says_200_is_found_out() -> None:
    assert read("error_200.html").shortcoming == "error_page"


@pytest.mark.parametrize(
    "title",
    [
        "404 Not Found",
        "Page not found",
        "Just a moment...",
        "Access denied",
        "Seite nicht gefunden",
        "页面不存在",
        "您访问的页面不存在",
        "Access to this page has been denied",
        "Checking your browser before accessing post.example",
        "Please enable cookies",
        "Service temporarily unavailable",
        "Something went wrong | The Post",
    ],
)
def test_the_titles_of_error_pages_are_known(title: str) -> None:
    assert (
        judge(PageSignals(title=title, text=SENTENCE * 3)).shortcoming == "error_page"
    )


@pytest.mark.parametrize(
    "title",
    [
        "404 patients had their records stolen",
        "Access denied: how a hospital lost its keys",
        "Files on missing girl not found in archive",
        "Server error exposes the files of patients",
        "Coming soon: a law on deepfakes",
    ],
)
def test_a_headline_that_only_sounds_like_an_error_passes(title: str) -> None:
    assert judge(PageSignals(title=title, text=SENTENCE * 10)).shortcoming is None


def test_forty_words_under_a_headline_are_enough_and_without_one_they_are_not() -> None:
    text = " ".join(["word"] * 40) + "."
    assert judge(PageSignals(title="Clerk mailed list", text=text)).shortcoming is None
    assert judge(PageSignals(title="", text=text)).shortcoming == "thin"
    assert (
        judge(
            PageSignals(title="Clerk mailed list", text=" ".join(["word"] * 30))
        ).shortcoming
        == "thin"
    )


def test_sixty_chinese_characters_weigh_as_much_as_forty_words() -> None:
    assert count_words("数" * 60) == 40
    assert judge(PageSignals(title="医院泄露病历", text="数" * 60)).shortcoming is None
    assert (
        judge(PageSignals(title="医院泄露病历", text="数" * 40)).shortcoming == "thin"
    )


@pytest.mark.parametrize(
    "end",
    [
        "Subscribe to continue reading.",
        "This article is for subscribers only.",
        "登录后阅读全文",
        "本文为会员专享内容",
        "剩余 62% 内容",
    ],
)
def test_a_text_that_ends_at_a_wall_is_a_paywall(end: str) -> None:
    text = SENTENCE * 4
    assert (
        judge(
            PageSignals(title="Clerk mailed list", text=text, visible=f"{text} {end}")
        ).shortcoming
        == "paywall"
    )


def test_a_whole_story_on_a_page_that_also_sells_subscriptions_passes() -> None:
    text = SENTENCE * 20
    assert (
        judge(
            PageSignals(
                title="Clerk mailed list",
                text=text,
                visible=f"Subscribe to continue reading {text}",
            )
        ).shortcoming
        is None
    )
    brief = PageSignals(
        title="Clerk mailed list",
        text=SENTENCE * 4,
        visible=f"Already a subscriber? Log in {SENTENCE * 4} Weather and tides {SENTENCE * 9}",
    )
    assert judge(brief).shortcoming is None


def test_a_page_that_states_its_length_is_held_to_it() -> None:
    page = PageSignals(title="Clerk mailed list", text=SENTENCE * 5, stated_words=900)
    assert judge(page).shortcoming == "teaser"
    assert (
        judge(
            PageSignals(title="Clerk mailed list", text=SENTENCE * 5, stated_words=100)
        ).shortcoming
        is None
    )


def test_a_paid_story_that_is_there_in_full_passes() -> None:
    assert (
        judge(
            PageSignals(
                title="Clerk mailed list",
                text=SENTENCE * 30,
                free=False,
                stated_words=560,
            )
        ).shortcoming
        is None
    )


@pytest.mark.parametrize(
    "end", ["…", "...", "[…]", "… Read more", "阅读全文", "…查看全文"]
)
def test_a_short_text_that_is_cut_off_is_a_teaser(end: str) -> None:
    assert (
        judge(
            PageSignals(title="Clerk mailed list", text=SENTENCE * 3 + end)
        ).shortcoming
        == "teaser"
    )
    assert (
        judge(
            PageSignals(title="Clerk mailed list", text=SENTENCE * 30 + end)
        ).shortcoming
        is None
    )


def test_shortcoming_and_score_agree() -> None:
    for count in range(0, 12):
        for end in ("", "…", " Subscribe to continue reading."):
            verdict = judge(
                PageSignals(
                    title="Clerk mailed list",
                    text=SENTENCE * count + end,
                    visible=SENTENCE * count + end,
                )
            )
            assert (verdict.score < THRESHOLD) == (verdict.shortcoming is not None)
            assert 0 <= verdict.score <= 1


@pytest.mark.parametrize(
    "line",
    [
        "Related: How the strike ended",
        "Read more: The strike",
        "Share",
        "Comments",
        "3 Comments",
        "© 2031 The Courier",
        "All rights reserved.",
        "Sign up for our newsletter",
        "相关阅读：医院道歉",
        "责任编辑：李明",
        "Lea también: La huelga",
        "Lesen Sie auch: Der Streik",
        "Photo: A. Lund",
    ],
)
def test_lines_of_the_site_are_dropped(line: str) -> None:
    assert is_boilerplate(line)


@pytest.mark.parametrize(
    "line",
    [
        "More than 20,000 customers: that is how many were exposed.",
        "Class members may receive a share of the settlement.",
        "Copyright law does not protect a face, the court said.",
        "[Name withheld] told the court what she had seen.",
        "该公司未经授权收集了用户的人脸信息。",
        "诈骗者诱导老人扫描二维码，随后盗取其银行信息。",
        "Email",
        "Names",
        "E-mail addresses and photos",
        "Register extracts of 300 people were emailed to a stranger for free.",
        "Related firms were told to delete the pictures as well.",
    ],
)
def test_lines_of_the_story_stay(line: str) -> None:
    assert not is_boilerplate(line)
