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
LONG = "".join(f"<p>{FIRST} {SECOND} {n}</p>" for n in range(8))


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
        f"<h1>{TITLE}</h1><p>{FIRST}</p><p>{SECOND}</p><ul><li>{THIRD}</li><li>{FOURTH}</li></ul>",
        f"<article><h1>{TITLE}</h1><p>{FIRST}</p><figure><p>{SECOND}</p></figure><p>{THIRD}</p><p>{FOURTH}</p></article>",
        f"<h1>{TITLE}</h1><font face=arial>{FIRST}<p>{SECOND}<p>{THIRD}<p>{FOURTH}</font>",
        f"<h1>{TITLE}</h1><span><b>{FIRST}</b><p>{SECOND}</p><p>{THIRD}</p><p>{FOURTH}</p></span>",
        f"<h1>{TITLE}</h1><div><h2>{FIRST}</h2><p>{SECOND}</p><p>{THIRD}</p><p>{FOURTH}</p></div>",
        f"<article><h1>{TITLE}</h1><h5>{FIRST}</h5><p>{SECOND}</p><p>{THIRD}</p><p>{FOURTH}</p></article>",
        f"<article><h1>{TITLE}</h1><div class='body'><p>{FIRST}</p><p>{SECOND}</p>"
        f"<p>{THIRD} <button>Copy</button></p><p>{FOURTH}</p></div></article>",
        f"<div><h1>{TITLE}</h1>{LONG}"
        f"<dl><dt>Fine</dt><dd>{THIRD}</dd><dt>Sale</dt><dd>{FOURTH}</dd></dl></div>",
    ],
    ids=(
        "div list-in-body center bare noscript br section figure details dl"
        " list-at-the-end figure-of-paragraphs font bold-lead heading-lead small-heading-lead"
        " button-in-a-paragraph definitions-at-the-end"
    ).split(),
)
def test_no_sentence_of_the_article_is_lost_and_none_is_joined(body: str) -> None:
    lines = read(body).text.split("\n")
    for sentence in (FIRST, SECOND, THIRD, FOURTH):
        assert any(sentence in line for line in lines), sentence
    assert sum(THIRD in line for line in lines) == 1
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
        "<p style='color:red;font-size:0'>{}</p>",
        "<div inert><p>{}</p></div>",
        "<div class='screenreader-only'><p>{}</p></div>",
        "<div class='hide'><p>{}</p></div>",
        "<div aria-hidden='TRUE'><p>{}</p></div>",
        "<div style='max-height: 0; overflow: hidden'><p>{}</p></div>",
        "<p style='width:1px;height:1px;overflow:hidden'>{}</p>",
        "<p style='clip-path: inset(50%)'>{}</p>",
        "<p style='transform:scale(0)'>{}</p>",
        "<p style='visibility: collapse'>{}</p>",
        "<p style='content-visibility:hidden'>{}</p>",
        "<p class='invisible'>{}</p>",
        "<p class='a11y-hidden'>{}</p>",
        "<p class='show-for-sr'>{}</p>",
        "<template><p>{}</p></template>",
        "<dialog><p>{}</p></dialog>",
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


@pytest.mark.parametrize(
    "shown",
    [
        "<p style='overflow:hidden'>{}</p>",
        "<div style='width:100%;height:auto;overflow-x:hidden'><p>{}</p></div>",
        "<p style='backface-visibility:hidden'>{}</p>",
        "<p class='hide-on-mobile'>{}</p>",
        "<p class='visible hidden-sm'>{}</p>",
        "<div class='md:block hidden'><p>{}</p></div>",
        "<div class='hide-scrollbar'><p>{}</p></div>",
        "<p style='text-indent:-1em'>{}</p>",
        "<div aria-hidden='false'><p>{}</p></div>",
        "<dialog open><p>{}</p></dialog>",
        "<center><b>{}</b></center>",
    ],
)
def test_what_only_looks_hidden_is_kept(shown: str) -> None:
    body = f"<article><h1>{TITLE}</h1><p>{FIRST}</p>{shown.format(SECOND)}<p>{THIRD}</p><p>{FOURTH}</p></article>"
    assert read(body).text.split("\n") == [FIRST, SECOND, THIRD, FOURTH]


def test_what_is_hidden_on_small_screens_only_is_kept() -> None:
    body = (
        f"<article><h1>{TITLE}</h1><p>{FIRST}</p><div class='hidden md:block'><p>{SECOND}</p></div>"
        f"<p class='d-none d-md-block'>{THIRD}</p><p>{FOURTH}</p></article>"
    )
    text = read(body).text
    assert SECOND in text
    assert THIRD in text


def test_the_navigation_of_a_layout_table_is_no_text() -> None:
    links = "<a href='/'>Front page</a><br><a href='/archive'>Archive</a>"
    text = "<br><br>".join((FIRST, SECOND, THIRD, FOURTH))
    found = read(
        f"<table><tr><td>{links}</td><td><h1>{TITLE}</h1>{text}</td></tr></table>"
    )
    assert "Archive" not in found.text
    assert FOURTH in found.text


@pytest.mark.parametrize("key", ["articleBody", "text", "description"])
def test_a_live_blog_holds_the_updates_that_the_page_hides(key: str) -> None:
    updates = [
        {"@type": "BlogPosting", "headline": f"Update {n}", key: body * 2}
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


@pytest.mark.parametrize(
    "card",
    [
        "<a href='/s{0}'><div><h3>{1}</h3><p>{2}</p></div></a>",
        "<div><p><strong><a href='/s{0}'>{1}</a></strong></p><p>{2}</p></div>",
        "<dl><dt><a href='/s{0}'>{1}</a></dt><dd>{2}</dd></dl>",
        "<div><div class='title'><a href='/s{0}'>{1}</a></div><div>{2}</div></div>",
        "<article><h2><a href='/s{0}'>{1}</a></h2><p>{2}</p></article>",
        "<li><h4><a href='/s{0}'>{1}</a></h4>{2}</li>",
        "<li><a href='/s{0}'>{1}</a><p>{2}</p></li>",
        "<tr><td><a href='/s{0}'>{1}</a></td><td>{2}</td></tr>",
        "<div><span><a href='/s{0}'>{1}</a></span><span>{2}</span></div>",
        "<p><a href='/s{0}'>{1}</a><br>{2}</p>",
        "<a class='card' href='/s{0}'>{1} {2}</a>",
    ],
)
def test_teasers_in_every_markup_are_no_article(card: str) -> None:
    cards = "".join(
        card.format(n, f"Story number {n} of the day", FIRST.replace("eleven", f"{n}0"))
        for n in range(10)
    )
    cards = f"<table>{cards}</table>" if card.startswith("<tr>") else cards
    assert read(f"<h1>News</h1>{cards}", title="News").shortcoming == "section_page"


@pytest.mark.parametrize(
    "entry",
    [
        "<p><a href='/s{0}'>Clinic number {0} of the town</a> {1}</p>",  # briefs
        "<div class='update'><a href='/s{0}'>Entry of {0} o'clock today</a><p>{2}</p></div>",
        "<div><h3>Entry of {0} o'clock</h3><p>{1}</p><a href='#e{0}'>Link</a></div>",
        "<p>{1} <a href='/s{0}'>The contract number {0}</a>.</p>",
    ],
)
def test_an_article_of_many_parts_with_links_is_an_article(entry: str) -> None:
    parts = "".join(
        entry.format(n, FIRST.replace("eleven", f"{n}0"), f"{SECOND} {n} " * 9)
        for n in range(10)
    )
    assert read(f"<main><h1>{TITLE}</h1>{parts}</main>").shortcoming is None


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


@pytest.mark.parametrize(
    "title",
    ["Page not found", "404", "Not Found", "Seite nicht gefunden", "页面不存在"],
)
def test_a_page_titled_as_an_error_is_none_however_long_its_teaser(title: str) -> None:
    story = f"<p>{FIRST}</p><p>{SECOND}</p><p>{THIRD}</p><p>{FOURTH}</p>" * 3
    body = f"<h1>{title}</h1><p>Sorry.</p><section><h2>Latest</h2>{story}</section>"
    assert read(body, title=f"{title} - The Post").shortcoming == "error_page"


@pytest.mark.parametrize(
    "title",
    [
        "410 Gone",
        "Sidan kunde inte hittas",
        "Nie znaleziono strony",
        "ページが見つかりませんでした",
        "페이지를 찾을 수 없습니다",
        "抱歉，您访问的页面走丢了",
        "Ошибка 404",
        "Sivua ei löydy",
        "Cette page n’existe plus",
        "Oops! That page can’t be found.",
        "We couldn't find that page",
        "This page isn't available",
        "This story has been removed",
        "Nothing found",
        "Diese Seite existiert nicht",
        "Esta página no existe",
        "该页面不存在",
        "존재하지 않는 페이지입니다",
        "A keresett oldal nem található",
        "Page not found | The Harbour Post",
    ],
)
def test_an_error_page_is_known_in_many_languages(title: str) -> None:
    story = "".join(f"<p>{s * 3}</p>" for s in (FIRST, SECOND, THIRD, FOURTH))
    found = read(f"<h1>{title}</h1><h2>Latest</h2>{story}", title=f"{title} | Post")
    assert found.shortcoming == "error_page"


@pytest.mark.parametrize(
    ("text", "buttons"),
    [
        (
            "Noi e i nostri 812 partner archiviamo informazioni su un dispositivo, come gli identificativi dei cookie",
            "Accetta tutto",
        ),
        (
            "Wij en onze 812 partners gebruiken cookies om informatie op een apparaat op te slaan en te lezen",
            "Alles weigeren",
        ),
        (
            "We, and our 742 partners, use technology such as cookies to store and access information on your device",
            "Agree and close",
        ),
        (
            "Vi og våre 90 partnere bruker informasjonskapsler for å lagre og lese informasjon på enheten din",
            "Godta alle",
        ),
    ],
)
def test_a_consent_form_is_known_in_many_languages(text: str, buttons: str) -> None:
    more = "Du kan velge. " * 12
    found = read(f"<h1>Post</h1><p>{text}. {more}</p><button>{buttons}</button>")
    assert found.shortcoming == "consent_wall"


@pytest.mark.parametrize(
    "entry",
    [
        "<a href='/{n}'><h2>The ferry line sold its list number {n}</h2></a><p>"
        + SECOND
        + " {n}</p>",
        "<li><a href='/{n}'>The ferry line sold the passenger list number {n}</a> <span>2025-11-1{n}</span></li>",
    ],
)
def test_a_page_of_a_tag_or_an_author_is_no_article(entry: str) -> None:
    entries = "".join(entry.format(n=number) for number in range(9))
    found = read(f"<h1>Ferries</h1><div>{entries}</div>", title="Ferries - Post")
    assert found.shortcoming == "section_page"


def test_the_paragraphs_of_a_short_chinese_article_are_not_joined() -> None:
    lines = [
        "本报讯 某轮渡公司出售十一个夏天的乘客名单。",
        "名单含姓名、生日和护照号码。",
        "省网信办已立案调查。",
    ]
    body = "".join(f"<p>{line * 2}</p>" for line in lines)
    found = read(f"<div><h1>轮渡公司出售乘客名单</h1></div><article>{body}</article>")
    assert found.text.split("\n") == [line * 2 for line in lines]


def test_a_declarative_shadow_root_is_read_as_browsers_show_it() -> None:
    story = f"<article><p>{FIRST}</p><p>{SECOND}</p><p>{THIRD}</p></article>"
    shown = f"<x-story><template shadowrootmode='open'>{story}</template></x-story>"
    assert read(shown).text == f"{FIRST}\n{SECOND}\n{THIRD}"
    assert FIRST not in read(shown.replace(" shadowrootmode='open'", "")).text


@pytest.mark.parametrize(
    "box",
    [
        "<div class='kg-signup-card'><p>One letter each Friday with the best of the coast.</p></div>",
        "<p>特别声明：以上内容为平台用户上传并发布，本平台仅提供信息存储服务。</p>",
        "<p>返回首页，查看更多</p>",
    ],
)
def test_what_a_portal_puts_below_an_article_is_no_text(box: str) -> None:
    story = f"<p>{FIRST}</p><p>{SECOND}</p><p>{THIRD}</p><p>{FOURTH}</p>{box}"
    found = read(f"<article><h1>{TITLE}</h1>{story}</article>")
    assert found.text.split("\n") == [FIRST, SECOND, THIRD, FOURTH]


@pytest.mark.parametrize(
    "title",
    [
        "Forbidden",
        "Gone",
        "Access denied",
        "* * *",
        "Found",
        "Not found - the clerk of Halm",
        "Not found: the lost lists of Halm",
        "Page not found guilty of libel",
        "Coming soon: a law on faces",
        "Server error exposes lists",
    ],
)
def test_an_article_may_have_the_words_of_an_error_as_its_title(title: str) -> None:
    story = "".join(f"<p>{s * 3}</p>" for s in (FIRST, SECOND, THIRD, FOURTH))
    found = read(f"<article><h1>{title}</h1>{story}</article>", title=title)
    assert found.shortcoming is None


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


@pytest.mark.parametrize(
    "pager",
    [
        "<a rel='next' href='/ferry?page=2'>Next</a>",
        "<div>1 <a href='/ferry?page=2'>2</a> <a href='/ferry?page=3'>3</a></div>",
        "<p>Page 1 <a href='/ferry/2'>Next page</a></p>",
        "<a href='/ferry?seite=2'>Weiter auf Seite 2</a>",
        "<nav><a href='/ferry/page/2'>下一页</a></nav>",
    ],
)
def test_a_pager_below_the_text_says_that_there_is_more(pager: str) -> None:
    body = f"<article><h1>{TITLE}</h1><p>{FIRST}</p><p>{SECOND}</p><p>{THIRD}</p>{pager}</article>"
    assert read(body).completeness < 1


@pytest.mark.parametrize(
    "link",
    [
        "<a href='/ferry-2'>Next »</a>",
        "<a rel='next' href='/another-story'>Next story</a>",
        "<a href='/other?page=2'>2</a>",
    ],
)
def test_a_link_to_the_next_story_is_no_pager(link: str) -> None:
    body = f"<article><h1>{TITLE}</h1><p>{FIRST}</p><p>{SECOND}</p><p>{THIRD}</p>{link}</article>"
    assert read(body).completeness == 1


def test_text_of_a_wrong_decoding_is_refused() -> None:
    garbled = "DÃ¼rfen SchÃ¼ler Ã¼ber MÃ¤rz hinaus fÃ¼r ihre GerÃ¤te zahlen? " * 20
    assert (
        read(f"<article><h1>{TITLE}</h1><p>{garbled}</p></article>").shortcoming
        == "garbled"
    )


def test_how_characters_are_read_is_not_part_of_the_words() -> None:
    ruby = "個人情報が<ruby>漏洩<rp>(</rp><rt>ろうえい</rt><rp>)</rp></ruby>した。"
    text = read(f"<article><h1>{TITLE}</h1><p>{ruby * 20}</p></article>").text
    assert "漏洩した" in text
    assert "ろう" not in text
