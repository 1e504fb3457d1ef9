"""What a page says about itself, and which of its voices is believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.classifier.extraction import markup, metadata
from services.classifier.extraction.metadata import Metadata

PAGES = Path(__file__).parent.parent.parent / "pages"
URL = "https://www.lindhaven-courier.example/harbour/dockers"


def read(page: str, url: str = URL) -> Metadata:
    return metadata.read(markup.parse(page), url)


def page_of(head: str = "", body: str = "") -> str:
    return f"<html><head>{head}</head><body>{body}</body></html>"


def test_structured_data_gives_every_field_of_a_news_page() -> None:
    found = read((PAGES / "harbour_leak.html").read_text(encoding="utf-8"))
    assert found.title == "Port of Lindhaven left dockers' passports on an open server"
    assert found.author == "Mira Oduya, Tomas Brandt"
    assert (found.site, found.section, found.html_language) == (
        "The Lindhaven Courier",
        "Harbour",
        "en",
    )
    assert (
        found.canonical_url
        == "https://www.lindhaven-courier.example/harbour/2031/dockers-passports"
    )
    assert (
        found.amp_url
        == "https://amp.lindhaven-courier.example/harbour/2031/dockers-passports"
    )
    assert found.article.accessible_for_free is True


def test_a_date_in_utc_is_told_as_the_page_shows_it() -> None:
    assert (
        read((PAGES / "harbour_leak.html").read_text(encoding="utf-8")).published
        == "2031-03-04T00:40:00+01:00"
    )


@pytest.mark.parametrize(
    ("head", "body", "title"),
    [
        (
            "<title>Clinic lost its keys | Morning Ledger</title>",
            "",
            "Clinic lost its keys",
        ),
        (
            "<title>Clinic lost its keys - Lindhaven Courier</title>",
            "",
            "Clinic lost its keys",
        ),
        (
            "<title>Lindhaven Courier - Clinic lost its keys</title>",
            "",
            "Clinic lost its keys",
        ),
        (
            "<title>Clinic lost its keys - Harbour - The Courier</title>"
            "<meta property='article:section' content='Harbour'>"
            "<meta property='og:site_name' content='The Courier'>",
            "",
            "Clinic lost its keys",
        ),
        (
            "<title>Keys - a short history of loss</title>",
            "",
            "Keys - a short history of loss",
        ),
        (
            "<title>某医院泄露病历_社会新闻_临江晚报</title><meta property='og:site_name' content='临江晚报'>"
            "<meta property='article:section' content='社会新闻'>",
            "",
            "某医院泄露病历",
        ),
        (
            "<title>Clinic lost keys | Ledger</title>",
            "<h1><a href='/'>Ledger</a></h1><h1>Clinic lost all its keys</h1>",
            "Clinic lost all its keys",
        ),
        (
            "<title>Clinic lost its keys - Ledger</title>",
            "<h1>Health</h1><h2 class='entry-title'>Clinic lost its keys</h2>",
            "Clinic lost its keys",
        ),
        (
            "<meta property='og:title' content='Clinic lost its keys'>",
            "<h1>Local News | Clinic lost its keys</h1>",
            "Clinic lost its keys",
        ),
        (
            "<title>Clinic lost its keys</title>",
            "<h1>4 March 2031 Clinic lost its keys</h1>",
            "Clinic lost its keys",
        ),
        ("", "<p>No title at all.</p>", ""),
    ],
)
def test_a_title_is_the_headline_alone(head: str, body: str, title: str) -> None:
    assert read(page_of(head, body)).title == title


@pytest.mark.parametrize(
    ("head", "body", "url", "published"),
    [
        (
            '<meta property="article:published_time" content="2031-03-04T10:00:00+02:00">',
            "",
            URL,
            "2031-03-04T10:00:00+02:00",
        ),
        (
            '<meta name="date" content="2031-03-09">',
            '<h1>Keys</h1><time datetime="2031-03-04">4 March</time>',
            URL,
            "2031-03-04",
        ),
        (
            "",
            '<h1>Keys</h1><span class="pub-date">Published on 4 March 2031</span>',
            URL,
            "2031-03-04",
        ),
        (
            "",
            "<h1>钥匙丢失</h1><span>2031年3月4日 09:30</span>",
            URL,
            "2031-03-04T09:30:00",
        ),
        (
            "",
            "<h1>Keys</h1><p>Gone.</p>",
            "https://x.example/2031/03/04/keys",
            "2031-03-04",
        ),
        ("", "<h1>Keys</h1><p>Gone.</p>", "https://x.example/keys", None),
        (
            '<meta property="article:published_time" content="2031-03">',
            "",
            URL,
            "2031-03",
        ),  # no day is made up
        (
            "",
            '<h1>Keys</h1><p>Gone.</p><aside><time datetime="2029-01-02">old</time></aside>',
            "https://x.example/2031/03/04/keys",
            "2031-03-04",
        ),
        (
            '<script type="application/ld+json">[{"@type":"BreadcrumbList"},{"@type":"NewsArticle","headline":"Keys",'
            '"datePublished":"2031-03-04",}]</script>',
            "",
            URL,
            "2031-03-04",
        ),
    ],
)
def test_the_day_of_publication_is_found(
    head: str, body: str, url: str, published: str | None
) -> None:
    assert read(page_of(head, body), url).published == published


def test_of_many_articles_in_structured_data_the_page_is_about_the_one_that_names_it() -> (
    None
):
    other = '{"@type":"NewsArticle","headline":"Other","url":"https://www.lindhaven-courier.example/other","datePublished":"2030-01-01"}'
    mine = f'{{"@type":"NewsArticle","headline":"Mine","mainEntityOfPage":{{"@id":"{URL}"}},"datePublished":"2031-03-04"}}'
    found = read(
        page_of(f'<script type="application/ld+json">[{other},{mine}]</script>')
    )
    assert (found.title, found.published) == ("Mine", "2031-03-04")


def test_structured_data_that_is_broken_is_passed_over() -> None:
    found = read(
        page_of(
            '<title>Keys are gone</title><script type="application/ld+json">{"@type": "NewsArticle", "head</script>'
        )
    )
    assert found.title == "Keys are gone"


@pytest.mark.parametrize(
    "href", ["javascript:alert(1)", "data:text/html,x", "http://", "//[bad", ""]
)
def test_a_canonical_address_that_is_none_is_not_told(href: str) -> None:
    assert read(page_of(f'<link rel="canonical" href="{href}">')).canonical_url is None


@pytest.mark.parametrize(
    ("body", "author"),
    [
        ('<a rel="author" href="/mira">Mira Oduya</a>', "Mira Oduya"),
        ('<span class="byline">By Mira Oduya</span>', "Mira Oduya"),
        (
            '<span itemprop="author"><span itemprop="name">Mira Oduya</span></span>',
            "Mira Oduya",
        ),
        ('<span class="author">记者：李明</span>', "李明"),
        ('<span class="author">admin</span>', ""),
        ("<p>By the sea.</p>", ""),
        ('<span class="byline">Mira Oduya | 5 March 2024</span>', "Mira Oduya"),
        ('<span class="byline">Mira Oduya, 05.03.24, 14:30</span>', "Mira Oduya"),
        ('<p class="byline">By Mira Oduya, Chief Harbour Reporter</p>', "Mira Oduya"),
        ('<p class="byline">Read more</p>', ""),
        ('<ul class="comments"><li class="author">Bob</li></ul>', ""),
    ],
)
def test_a_byline_is_a_name_without_by(body: str, author: str) -> None:
    assert read(page_of("", body)).author == author


JSON_LD = """{"@type": "NewsArticle", "headline": "Ferry line sold passenger lists",
 "author": {"name": "Ilse Quarck"}, "datePublished": "2024-03-05T08:15:00+01:00",
 "url": "https://post.example/ferry"}"""


@pytest.mark.parametrize(
    "script",
    [
        f"// <![CDATA[\n{JSON_LD}\n// ]]&gt;",
        f"//<![CDATA[ {JSON_LD};//]]>",
        f"/*<![CDATA[*/{JSON_LD}/*]]>*/",
        f"<!-- {JSON_LD} -->",
        JSON_LD.replace('"author"', '// the byline\n"author"'),
        JSON_LD.replace('"author"', '/* the byline */ "author"'),
        JSON_LD.replace("}", ",}"),
        '{"@type": "WebSite", "name": "Post"}\n' + JSON_LD,
        JSON_LD + "\n[" + '{"@type": "BreadcrumbList"}' + "]",
        JSON_LD.replace('"', "&quot;"),
        JSON_LD.replace("Ferry line", "Ferry line\\'s crew"),
        JSON_LD.replace("Ferry line", "Ferry \\line"),
        JSON_LD.replace(": ", ":\u00a0"),
        JSON_LD.replace('"author"', '"image": undefined, "author"'),
        '{"@graph": [' + JSON_LD,
    ],
)
def test_json_ld_is_read_through_what_templates_wrap_it_in(script: str) -> None:
    found = read(page_of(f'<script type="application/ld+json">{script}</script>'))
    assert found.author == "Ilse Quarck"
    assert found.published == "2024-03-05T08:15:00+01:00"


PARAGRAPH = (
    "The ferry line sold the passenger lists of eleven summers, its board said. "
)


def dated(line: str, lang: str, after: str = "", url: str = URL) -> str | None:
    body = (
        f"<article><h1>Ferry line sold passenger lists</h1>{line}"
        f"<p>{PARAGRAPH * 3}</p></article>{after}"
    )
    return metadata.read(
        markup.parse(
            f"<html lang='{lang}'><head><title>Ferry line sold passenger lists"
            f"</title></head><body>{body}</body></html>"
        ),
        url,
    ).published


@pytest.mark.parametrize(
    ("lang", "day"),
    [
        ("en-GB", "2021-04-03"),
        ("es-ES", "2021-04-03"),
        ("fr", "2021-04-03"),
        ("en-US", "2021-03-04"),
    ],
)
def test_the_language_of_the_page_orders_day_and_month(lang: str, day: str) -> None:
    assert dated("<p class='date'>03/04/2021</p>", lang) == day


@pytest.mark.parametrize(
    ("lang", "domain", "day"),
    [
        ("en", "post.co.uk", "2021-04-03"),
        ("en", "post.com.au", "2021-04-03"),
        ("en", "oag.province.gov", "2021-03-04"),
        ("en-US", "post.example", "2021-03-04"),
        ("en-US", "post.co.uk", None),  # the default of a publishing system
    ],
)
def test_the_domain_orders_day_and_month_in_english(
    lang: str, domain: str, day: str | None
) -> None:
    line = "<p class='date'>Published 03/04/2021</p>"
    assert dated(line, lang, url=f"https://{domain}/ferry") == day


OTHERS = (
    "<aside><p><span class='date'>07/01/2019</span> Another story</p></aside>"
    "<section class='more'><time datetime='2019-01-07'>7 Jan</time> Another</section>"
)


@pytest.mark.parametrize(
    ("age", "lang"),
    [
        ("hace 3 días", "es"),
        ("3 hours ago", "en"),
        ("vor 2 Tagen", "de"),
        ("昨天", "zh"),
        ("3 dagen geleden", "nl"),
        ("last week", "en"),
        ("۱۵ اسفند ۱۴۰۲", "fa"),
        ("Published 03/04/2021", "en"),
        ("Deadline: 9 March 2024", "en"),
        ("Event on 9 March 2024", "en"),
        ("Next court date: 9 March 2024", "en"),
        ("Comments close on 9 March 2024", "en"),
        ("Valid from 9 March 2024", "en"),
        ("The clerk was born on 9 March 1994", "en"),
        ("All the ferries of the line will lie idle on 9 March 2024.", "en"),
        ("Last updated <time datetime='2024-03-09'>Saturday</time>", "en"),
        ("3 hours ago</p><p>9 March 2024", "en"),
        (
            "<dl><dt>Date of discovery of the breach at the port</dt>"
            "<dd>9 March 2024</dd></dl>",
            "en",
        ),
    ],
)
def test_an_age_is_no_date_and_another_storys_date_neither(age: str, lang: str) -> None:
    assert dated(f"<p class='byline date'>{age}</p>", lang, OTHERS) is None


def time_of(day: str, marks: str = "") -> str:
    return f"<time datetime='2024-03-{day}' {marks}>{day} March</time>"


@pytest.mark.parametrize(
    ("lines", "lang"),
    [
        (f"<p>Updated: {time_of('09')}</p><p>Published: {time_of('05')}</p>", "en"),
        (f"<p><b>Updated</b> {time_of('09')}</p><p>{time_of('05')}</p>", "en"),
        (f"<dl><dt>Updated</dt><dd>{time_of('09')}</dd></dl>{time_of('05')}", "en"),
        (f"Aktualisiert am {time_of('09')} | Erschienen am {time_of('05')}", "de"),
        (f"{time_of('09', 'itemprop=dateModified')}{time_of('05')}", "en"),
        (f"{time_of('09', 'class=updated')}{time_of('05')}", "en"),
        ("<p><span>Updated</span> 9 March 2024</p><p>5 March 2024</p>", "en"),
        ("<p>Bijgewerkt: 9 maart 2024</p><p>Gepubliceerd: 5 maart 2024</p>", "nl"),
        ("<p>Uppdaterad 9 mars 2024</p><p>5 mars 2024</p>", "sv"),
        ("<p>Oppdatert 9. mars 2024</p><p>5. mars 2024</p>", "no"),
        ("<p>Opdateret 9. marts 2024</p><p>5. marts 2024</p>", "da"),
        ("<p>Päivitetty 9.3.2024</p><p>5.3.2024</p>", "fi"),
        ("<p>Aktualizacja: 9 marca 2024</p><p>5 marca 2024</p>", "pl"),
        ("<p>Обновлено 9 марта 2024</p><p>5 марта 2024</p>", "ru"),
        ("<p>Modifié le 9 mars 2024</p><p>5 mars 2024</p>", "fr"),
        ("<p>Atualizado em 9 de março de 2024</p><p>5 de março de 2024</p>", "pt"),
        ("<p>Güncelleme: 9 Mart 2024</p><p>5 Mart 2024</p>", "tr"),
        ("<p>수정 2024.03.09</p><p>입력 2024.03.05</p>", "ko"),
        ("<p>更新日：2024年3月9日</p><p>公開日：2024年3月5日</p>", "ja"),
    ],
)
def test_the_day_of_an_update_is_not_that_of_publication(lines: str, lang: str) -> None:
    assert dated(lines, lang) == "2024-03-05"


@pytest.mark.parametrize(
    ("url", "day"),
    [
        ("https://post.example/2021/03/05/ferry", "2021-03-05"),
        ("https://archive.example/web/20240309/https://post.example/ferry", None),
        (
            "https://archive.example/web/20240309/https://post.example/2021/03/05/f",
            "2021-03-05",
        ),
    ],
)
def test_the_day_of_a_copy_in_a_web_archive_is_not_that_of_publication(
    url: str, day: str | None
) -> None:
    assert dated("", "en", url=url) == day


def test_a_deadline_in_the_month_of_the_url_is_no_day_of_publication() -> None:
    line = "<p>Deadline: 9 March 2024</p>"
    assert dated(line, "en", url="https://post.example/2024/03/ferry") is None


def test_the_only_time_of_a_page_may_bear_the_class_updated() -> None:
    assert dated(time_of("05", "class='updated'"), "en") == "2024-03-05"


@pytest.mark.parametrize(
    "after",
    [
        "<div class='more'><a href='/b'>B</a> <span class='date'>7 January 2019</span></div>",
        "<h3>Read also</h3><ul><li><a href='/b'>B</a><i>7 January 2019</i></li></ul>",
        "<div class='comment-body'><b>Bob</b> <i class='comment-date'>7 January 2019</i></div>",
        "<div class='latest-news'><a href='/b'>B</a> <time datetime='2019-01-07'>7</time></div>",
    ],
)
def test_a_date_below_the_article_needs_to_say_that_it_is_its_own(after: str) -> None:
    assert dated("", "en", after) is None
    mine = "<p><span>Published</span> <span>5 March 2024</span></p>"
    assert dated("", "en", mine + after) == "2024-03-05"


def test_a_list_item_with_a_headline_has_the_date_of_another_story() -> None:
    other = "<li><a href='/b'>Dam of the upper valley repaired</a><i>7 January 2019</i></li>"
    body = f"<h1>Keys are gone</h1><ul>{other}</ul><p>{PARAGRAPH}</p>"
    assert read(page_of("<title>Keys are gone</title>", body)).published is None


@pytest.mark.parametrize("box", ["sidebar", "promo left", "comments", "sidebar wide"])
def test_a_date_beside_the_article_is_not_its_own(box: str) -> None:
    beside = f"<div class='{box}'><a href='/b'>B</a> <span class='date'>7 January 2019</span></div>"
    assert dated("", "en", beside) is None
    inside = dated("<p class='date'>5 March 2024</p>", "en")
    assert inside == "2024-03-05"


def test_a_page_whose_body_is_named_after_its_sidebar_keeps_its_date() -> None:
    page = page_of(
        "<title>Keys are gone</title>",
        f"<div class='sidebar'><h1>Keys are gone</h1><p class='date'>5 March 2024</p>"
        f"<p>{PARAGRAPH * 3}</p></div>",
    )
    assert read(page).published == "2024-03-05"


@pytest.mark.parametrize(
    ("lines", "lang"),
    [
        ("<p>Reçu le 1 novembre 2022</p><p>Accepté le 16 décembre 2022</p>", "fr"),
        ("<p>Eingegangen: 1.11.2022</p><p>Angenommen: 16.12.2022</p>", "de"),
        ("<p>Received 1 November 2022; Accepted 16 December 2022</p>", "en"),
    ],
)
def test_a_dublin_core_date_wins_over_a_journals_record(lines: str, lang: str) -> None:
    head = '<meta name="dc.date" content="2023-01-02">'
    page = page_of(head, f"<h1>Keys</h1>{lines}<p>{PARAGRAPH}</p>")
    read_in = page.replace("<html>", f"<html lang='{lang}'>")
    assert read(read_in).published == "2023-01-02"


def test_the_last_date_of_a_journals_record_is_found_in_a_long_line() -> None:
    line = (
        "<p>Received: 1 November 2022 / Revised: 5 December 2022 / "
        "Accepted: 16 December 2022 / Available online: 2 January 2023</p>"
    )
    assert dated(line, "en") == "2023-01-02"


def test_a_journals_accepted_date_is_not_its_publication() -> None:
    lines = "<p>Accepted: 16 December 2022.</p><p>Published: 2 January 2023.</p>"
    assert dated(lines, "en") == "2023-01-02"
    joined = "<p>Accepted: 16 December 2022. Published: 2 January 2023.</p>"
    assert dated("", "en", joined) == "2023-01-02"


@pytest.mark.parametrize(
    "byline",
    [
        "05.03.24, 14:30",
        "5 March 2024",
        "hace 3 días",
        "3 hours ago",
        "Updated Monday",
        "gestern",
        "14:30 Uhr",
        "三小时前",
        "Tuesday",
        "five minute read",
        "Photo: Lindhaven Archive",
        "来源：新华网",
    ],
)
def test_a_byline_that_is_a_date_names_no_author(byline: str) -> None:
    assert read(page_of(body=f"<p class='byline'>{byline}</p>")).author == ""
