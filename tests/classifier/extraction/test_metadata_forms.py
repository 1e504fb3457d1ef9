"""Authors, dates and structured data in the shapes of many publishing systems."""

from __future__ import annotations

import json

import pytest

from tests.classifier.extraction.test_metadata import page_of, read


def json_ld(data: object) -> str:
    return f'<script type="application/ld+json">{json.dumps(data)}</script>'


ARTICLE = {
    "@context": "https://schema.org",
    "@type": "NewsArticle",
    "headline": "Clinic lost its keys",
    "datePublished": "2025-11-20T22:14:03+01:00",
    "author": {"@type": "Person", "name": "Marit Solheim"},
}
OTHER = ARTICLE | {
    "headline": "Dam repaired",
    "datePublished": "2021-03-09",
    "author": "Gus Holm",
}
PRESS = {"@type": "Organization", "name": "The Courier"}


@pytest.mark.parametrize(
    "data",
    [
        [OTHER, ARTICLE],
        ARTICLE | {"author": [PRESS, ARTICLE["author"]]},
        ARTICLE
        | {
            "author": {
                "@type": "Person",
                "givenName": "Marit",
                "familyName": "Solheim",
            }
        },
        ARTICLE | {"datePublished": ["2025-11-20T22:14:03+01:00"]},
        ARTICLE | {"datePublished": {"@value": "2025-11-20T22:14:03+01:00"}},
    ],
)
def test_the_data_of_the_pages_own_story_are_read_in_any_shape(data: object) -> None:
    head = f"<title>Clinic lost its keys</title>{json_ld(data)}"
    found = read(page_of(head, "<h1>Clinic lost its keys</h1>"))
    assert found.author == "Marit Solheim"
    assert found.published == "2025-11-20T22:14:03+01:00"


def test_rdfa_names_author_and_date() -> None:
    body = (
        '<article typeof="NewsArticle"><h1 property="headline">Clinic lost its keys</h1>'
        '<time property="datePublished" content="2025-11-20T22:14:03+01:00">20 Nov</time>'
        '<span property="author" typeof="Person"><b property="name">Marit Solheim</b></span>'
    )
    found = read(page_of("<title>Clinic lost its keys</title>", body))
    assert found.author == "Marit Solheim"
    assert found.published == "2025-11-20T22:14:03+01:00"


def test_a_stated_date_may_count_seconds() -> None:
    meta = "<meta property='article:published_time' content='1763673243'>"
    assert read(page_of(meta)).published == "2025-11-20T21:14:03+00:00"


@pytest.mark.parametrize(
    ("before", "published"),
    [
        (
            "<dl><dt>Hearing</dt><dd>12 January 2026</dd>"
            "<dt>Published</dt><dd>20 November 2025</dd></dl>",
            "2025-11-20",
        ),
        ("<table><tr><th>Hearing</th><td>12 January 2026</td></tr></table>", None),
        ("<p>This page was archived on 3 March 2026.</p>", None),
        ("<div class='weather'>Lindhaven 28 November 2025 4 degrees</div>", None),
        (
            f"<p>On 3 March 2019 a flood destroyed the archive{' of paper' * 9}.</p>",
            None,
        ),
        (f"<p>2019年3月3日，一场洪水毁掉了档案室{'的纸质档案' * 15}。</p>", None),
        (
            f"<p>Lindhaven, 20 November 2025 - The clinic{' wrote' * 12}.</p>",
            "2025-11-20",
        ),
        (
            f"<p>20.11.2025 „Die Klinik schrieb{' den Patienten' * 8}.“</p>",
            "2025-11-20",
        ),
    ],
)
def test_a_date_of_the_story_is_not_its_dateline(
    before: str, published: str | None
) -> None:
    body = f"<h1>Clinic lost its keys</h1>{before}<p>It had none left.</p>"
    assert read(page_of("<title>Clinic lost its keys</title>", body)).published == (
        published
    )


@pytest.mark.parametrize(
    ("byline", "author"),
    [
        ("Text: Marit Solheim, Foto: Gus Holm", "Marit Solheim"),
        ("av Marit Solheim", "Marit Solheim"),
        ("Autor: Marit Solheim", "Marit Solheim"),
        ("Marit Solheim (AFP)", "Marit Solheim"),
        ("By Marit Solheim, Thursday 20 November 2025 10:15 GMT", "Marit Solheim"),
        ("作者：周若岚 编辑：王某", "周若岚"),
        ("文｜周若岚", "周若岚"),
        ("本报记者 周若岚", "周若岚"),
        ("記者林雅婷／台北報導", "林雅婷"),
        ("Courier Staff", ""),
        ("By our special correspondent", ""),
        ("Newsroom", ""),
        ("Subscribe to the letter", ""),
    ],
)
def test_a_byline_gives_the_name_alone(byline: str, author: str) -> None:
    assert read(page_of("", f"<p class='byline'>{byline}</p>")).author == author


def test_a_name_in_a_small_heading_is_an_author() -> None:
    body = "<h4 class='gh-article-author-name'><a href='/a'>Marit Solheim</a></h4>"
    assert read(page_of("", body)).author == "Marit Solheim"


@pytest.mark.parametrize(
    "data",
    [
        OTHER | {"url": "https://courier.example/dams", "articleBody": "Water. " * 99},
        {"@type": "ItemList", "itemListElement": [OTHER]},
    ],
    ids=["article", "list"],
)
def test_the_data_of_other_stories_alone_are_not_the_pages(data: object) -> None:
    head = f"<title>Clinic lost its keys</title>{json_ld(data)}"
    found = read(page_of(head, "<h1>Clinic lost its keys</h1><p>It had none left.</p>"))
    assert (found.author, found.published, found.article.body) == ("", None, "")


def test_data_with_the_canonical_url_are_the_pages_under_any_headline() -> None:
    data = ARTICLE | {"headline": "Lock change", "url": "https://courier.example/keys"}
    link = "<link rel='canonical' href='https://courier.example/keys'>"
    head = f"<title>Clinic lost its keys</title>{link}{json_ld(data)}"
    assert read(page_of(head)).author == "Marit Solheim"


@pytest.mark.parametrize(
    "other",
    [
        "<div id='comments'><p class='date'>7 January 2026</p></div>",
        "<small>Printed from courier.example on 7 January 2026</small>",
    ],
)
def test_a_day_beside_the_story_is_not_its_date(other: str) -> None:
    story = "<h1>Clinic lost its keys</h1><p>It had none left.</p>"
    page = page_of("<title>Clinic lost its keys</title>", story + other)
    assert read(page).published is None


def test_the_day_in_the_masthead_is_today() -> None:
    masthead = "<header><time datetime='2026-01-07'>Wednesday</time></header>"
    story = (
        "<article><h1>Clinic lost its keys</h1><p class='date'>20 November 2025</p>"
        "<p>It had none left.</p></article>"
    )
    page = page_of("<title>Clinic lost its keys</title>", masthead + story)
    assert read(page).published == "2025-11-20"


@pytest.mark.parametrize("name", ["undefined", "wpadmin", "Administrator", "n/a"])
def test_the_account_of_a_publishing_system_is_no_author(name: str) -> None:
    assert read(page_of(f"<meta name='author' content='{name}'>")).author == ""


@pytest.mark.parametrize("href", ["{{ url }}", "${url}", "<%= url %>"])
def test_a_placeholder_of_a_template_is_no_address(href: str) -> None:
    page = page_of(f'<link rel="canonical" href="{href}">')
    assert read(page).canonical_url is None
