"""Words stand in many forms on a page: all that a reader sees of the article is kept."""

from __future__ import annotations

import json

import pytest

from services.classifier.extraction.extract import Document, extract

FIRST = "The ferry line sold the passenger lists of eleven summers, its board said on Monday."
SECOND = "The lists held names, birthdays and the numbers of passports, a clerk told the port."
THIRD = (
    "The privacy office of the province asked for the contracts and may impose a fine."
)
FOURTH = "The line has stopped the sale and will write to everybody who was on board since then."
TITLE = "Ferry line sold passenger lists"


def read(body: str, head: str = "", title: str = TITLE, url: str = "") -> Document:
    page = f"<html lang='en'><head><title>{title}</title>{head}</head><body>{body}</body></html>"
    return extract(
        page.encode(),
        media_type="text/html",
        charset="utf-8",
        url=url or "https://post.example/ferry",
    )


@pytest.mark.parametrize(
    "body",
    [
        f"<article><h1>{TITLE}</h1><p>{FIRST}</p><div>{SECOND}</div><p>{THIRD}</p>{FOURTH}</article>",
        f"<h1>{TITLE}</h1><p>{FIRST}</p><p>{SECOND}</p><ul><li>{THIRD}</li><li>One</li></ul><p>{FOURTH}</p>",
        f"<article><h1>{TITLE}</h1><p>{FIRST}</p><center>{SECOND}</center><p>{THIRD}</p><p>{FOURTH}</p></article>",
        f"<article><h1>{TITLE}</h1><p>{FIRST}</p>{SECOND} <b>{THIRD}</b><p>{FOURTH}</p></article>",
        f"<noscript><h1>{TITLE}</h1><p>{FIRST}</p><p>{SECOND}</p><p>{THIRD}</p><p>{FOURTH}</p></noscript>",
        f"<article><h1>{TITLE}</h1>{FIRST}<br><br>{SECOND}<br><br>{THIRD}<br><br>{FOURTH}</article>",
        f"<article><h1>{TITLE}</h1><p>{FIRST}</p><section>{SECOND}</section><p>{THIRD}</p><p>{FOURTH}</p></article>",
        f"<article><h1>{TITLE}</h1><p>{FIRST}</p><figure>{SECOND}</figure><p>{THIRD}</p><p>{FOURTH}</p></article>",
        f"<article><h1>{TITLE}</h1><p>{FIRST}</p><details><summary>Who</summary><div>{SECOND}</div></details>"
        f"<p>{THIRD}</p><p>{FOURTH}</p></article>",
        f"<h1>{TITLE}</h1><p>{FIRST}</p><dl><dt>Lists</dt><dd>{SECOND}</dd></dl><p>{THIRD}</p><p>{FOURTH}</p>",
    ],
    ids="div list-in-body center bare noscript br section figure details dl".split(),
)
def test_no_sentence_of_the_article_is_lost_and_none_is_joined(body: str) -> None:
    lines = read(body).text.split("\n")
    for sentence in (FIRST, SECOND, THIRD, FOURTH):
        assert any(sentence in line for line in lines), sentence
    assert not any(FIRST in line and FOURTH in line for line in lines)


@pytest.mark.parametrize(
    "hidden",
    [
        "<p hidden>{}</p>",
        "<div hidden><p>{}</p></div>",
        "<div style='color: red; display : none'><p>{}</p></div>",
        "<p style='visibility:hidden'>{}</p>",
        "<p class='sr-only'>{}</p>",
        "<span class='note visually-hidden'>{}</span>",
        "<div class='d-none'><p>{}</p></div>",
        "<p style='position:absolute; left:-9999px'>{}</p>",
        "<p style='clip: rect(0, 0, 0, 0)'>{}</p>",
        "<p style='text-indent:-9999px'>{}</p>",
    ],
)
def test_what_no_reader_sees_is_left_out(hidden: str) -> None:
    secret = (
        "This sentence is meant for another edition and is shown to no reader here."
    )
    body = f"<article><h1>{TITLE}</h1><p>{FIRST}</p>{hidden.format(secret)}<p>{SECOND}</p><p>{THIRD}</p></article>"
    text = read(body).text
    assert "another edition" not in text
    assert THIRD in text


def test_what_is_hidden_on_small_screens_only_is_kept() -> None:
    body = (
        f"<article><h1>{TITLE}</h1><p>{FIRST}</p><div class='hidden md:block'><p>{SECOND}</p></div>"
        f"<p class='d-none d-md-block'>{THIRD}</p><p>{FOURTH}</p></article>"
    )
    text = read(body).text
    assert SECOND in text
    assert THIRD in text


def test_a_live_blog_holds_the_updates_that_the_page_hides() -> None:
    updates = [
        {"@type": "BlogPosting", "headline": f"Update {n}", "articleBody": body * 2}
        for n, body in enumerate((FIRST, SECOND, THIRD, FOURTH))
    ]
    data = {"@type": "LiveBlogPosting", "headline": TITLE, "liveBlogUpdate": updates}
    head = f'<script type="application/ld+json">{json.dumps(data)}</script>'
    text = read(f"<main><h1>{TITLE}</h1><p>{FIRST}</p></main>", head).text
    assert FOURTH in text
    assert text.index(FIRST) < text.index(THIRD)


def cards(count: int) -> str:
    return "".join(
        f"<div class='card'><h2><a href='/s{n}'>Story number {n} of the day</a></h2>"
        f"<p>{FIRST.replace('eleven', str(n + 12))}</p></div>"
        for n in range(count)
    )


def test_a_section_front_is_no_article() -> None:
    found = read(f"<main><h1>Harbour</h1>{cards(10)}</main>", title="Harbour news")
    assert found.shortcoming == "section_page"


def test_a_list_of_links_is_no_article() -> None:
    links = "".join(
        f"<li><a href='/s{n}'>Ferry line {n} sold its passenger lists</a></li>"
        for n in range(30)
    )
    found = read(f"<h1>Harbour</h1><ul>{links}</ul>", title="Harbour news")
    assert found.shortcoming == "section_page"


def test_an_apology_with_teasers_is_an_error_page() -> None:
    sorry = "<h1>Page not found</h1><p>The page you asked for may have moved.</p>"
    found = read(f"<main>{sorry}{cards(10)}</main>", title="Page not found - Post")
    assert found.shortcoming == "error_page"


def test_an_article_with_teasers_below_it_stays_an_article() -> None:
    story = "".join(f"<p>{s * 3}</p>" for s in (FIRST, SECOND, THIRD, FOURTH))
    found = read(f"<article><h1>{TITLE}</h1>{story}</article>{cards(6)}")
    assert found.shortcoming is None


def test_pictures_in_the_page_itself_do_not_count_as_markup() -> None:
    picture = f"<img src='data:image/png;base64,{'A' * 6_200_000}'>"
    body = f"<article><h1>{TITLE}</h1><p>{FIRST}</p>{picture}<p>{SECOND}</p><p>{THIRD}</p></article>"
    assert THIRD in read(body).text


def test_a_page_that_goes_on_elsewhere_says_so_in_its_completeness() -> None:
    story = "".join(f"<p>{s}</p>" for s in (FIRST, SECOND, THIRD, FOURTH))
    body = f"<article><h1>{TITLE}</h1>{story}</article>"
    whole = read(body)
    first = read(body, "<link rel='next' href='/ferry?page=2'>")
    second = read(
        body, "<link rel='prev' href='/ferry'>", url="https://post.example/ferry?page=2"
    )
    assert whole.completeness == 1.0
    assert first.completeness < 1.0
    assert second.completeness < 1.0
    assert second.is_continuation


def test_text_of_a_wrong_decoding_is_refused() -> None:
    garbled = "DÃ¼rfen SchÃ¼ler Ã¼ber MÃ¤rz hinaus fÃ¼r ihre GerÃ¤te zahlen? " * 20
    assert (
        read(f"<article><h1>{TITLE}</h1><p>{garbled}</p></article>").shortcoming
        == "garbled"
    )
