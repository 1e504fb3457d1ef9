"""Bytes in, article out: pages written for these tests, by publishers that do not exist."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from services.classifier.extraction.extract import Document, ExtractError, extract

PAGES = Path(__file__).parent.parent.parent / "pages"
URL = (
    "https://www.lindhaven-courier.example/harbour/2031/dockers-passports?utm_source=x"
)


def read(
    name: str,
    *,
    url: str = URL,
    media_type: str = "text/html",
    charset: str | None = None,
) -> Document:
    return extract(
        (PAGES / name).read_bytes(), media_type=media_type, charset=charset, url=url
    )


def html_of(body: str) -> bytes:
    head = (
        "<!DOCTYPE html><html><head><title>Clerk mailed a list of names</title></head>"
    )
    return f"{head}<body>{body}</body></html>".encode()


def refusal_of(body: bytes, media_type: str) -> str | None:
    try:
        extract(body, media_type=media_type, charset=None, url=URL)
    except ExtractError as error:
        return error.reason
    return None


def test_an_article_is_told_from_all_that_stands_around_it() -> None:
    text = read("harbour_leak.html").text
    assert text.startswith("The Port of Lindhaven stored passport scans")
    assert text.endswith("access logs by Friday.")
    for kept in (
        "Passport scans: 4,200",
        "Home addresses: about 900",
        "What the port says",
    ):
        assert kept in text.split("\n")
    for furniture in (
        "newsletter",
        "Share",
        "Related",
        "crane strike",
        "All rights",
        "By Mira",
        "Photo:",
        "Trams",
    ):
        assert furniture not in text


def test_what_an_article_quotes_from_a_network_is_part_of_it() -> None:
    assert (
        "My father's passport was in there. Nobody called us."
        in read("harbour_leak.html").text
    )


def test_text_is_one_block_a_line_in_nfc_without_control_characters() -> None:
    body = html_of(
        "<article><h1>Clerk mailed a list of names</h1>"
        + "<p>Cafe\u0301 own\u00aders\x07 and\u200b\ttheir  guests<br>wait.</p>" * 9
        + "</article>"
    )
    text = extract(body, media_type="text/html", charset="utf-8", url=URL).text
    assert "Caf\u00e9 owners and their guests" in text
    assert text == unicodedata.normalize("NFC", text)
    assert not [
        char
        for char in text
        if unicodedata.category(char).startswith("C") and char != "\n"
    ]
    assert "\n\n" not in text
    assert text == text.strip()


def test_rows_of_a_table_are_lines_of_the_text() -> None:
    cells = (("What", "How many"), ("Names", "310"), ("Account numbers", "12"))
    rows = "".join(f"<tr><td>{what}</td><td>{many}</td></tr>" for what, many in cells)
    story = "<p>The bank published how many of its customers' details lay open, and named each kind of them in a table.</p>"
    text = extract(
        html_of(
            f"<article>{story * 2}<table>{rows}</table><p>It said it was sorry for what had happened.</p></article>"
        ),
        media_type="text/html",
        charset=None,
        url=URL,
    ).text
    assert "Account numbers 12" in text.split("\n")


def test_an_article_in_several_boxes_of_one_kind_is_read_whole() -> None:
    advert = '<div class="ad-slot"><p>Buy a boat today, the summer is near and boats are cheap.</p></div>'
    box = '<div class="story__body chunk">{}</div>' + advert
    result = [
        f"Part {number} tells how the registry lost its files, and who knew of it for how long before that day."
        for number in range(12)
    ]
    pages = "".join(
        box.format(f"<p>{result[n]}</p><p>{result[n + 1]}</p>") for n in range(0, 12, 2)
    )
    text = extract(
        html_of(f"<article><h1>Clerk mailed a list of names</h1>{pages}</article>"),
        media_type="text/html",
        charset=None,
        url=URL,
    ).text
    assert [line for line in text.split("\n") if line.startswith("Part")] == result


def test_the_body_in_structured_data_stands_in_for_one_that_the_page_hides() -> None:
    sentence = "The registry of Halm sold the plates of its drivers to a broker who kept no records of who had bought them. "
    body = html_of(
        '<script type="application/ld+json">{"@type": "NewsArticle", "headline": "Plates", "articleBody": "'
        + sentence * 8
        + '"}</script><h1>Registry sold plates</h1><p>The registry of Halm sold the plates of its drivers.</p>'
    )
    assert extract(body, media_type="text/html", charset=None, url=URL).words > 150


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "utf-16", "utf-8-sig"])
def test_a_page_says_its_encoding_in_bytes_only(encoding: str) -> None:
    page = (
        "<html><head><title>医院病历外泄</title></head><body><h1>医院病历外泄</h1><p>"
        + "市民的姓名和地址在互联网上公开，医院至今没有通知他们。" * 4
    )
    text = (
        page
        if encoding != "big5"
        else page.translate(str.maketrans("医历网开没们", "醫歷網開沒們"))
        .replace("联", "聯")
        .replace("院", "院")
    )
    found = extract(
        text.encode(encoding), media_type="text/html", charset=None, url=URL
    )
    assert "\ufffd" not in found.text
    assert found.title in text
    assert found.language == "zh"


@pytest.mark.parametrize(
    ("declared", "actual"),
    [
        ("iso-8859-1", "utf-8"),
        ("utf-8", "cp1252"),
        ("us-ascii", "utf-8"),
        ("nonsense", "utf-8"),
        ("utf-16", "utf-8"),
    ],
)
def test_a_lying_charset_does_not_spoil_the_text(declared: str, actual: str) -> None:
    body = (
        "<title>Behörde löscht Bilder</title><p>"
        + "Die Behörde für Bürgerdienste löschte die Bilder – später als versprochen. "
        * 6
    )
    found = extract(
        body.encode(actual), media_type="text/html", charset=declared, url=URL
    )
    assert found.title == "Behörde löscht Bilder"
    assert "Die Behörde für Bürgerdienste löschte die Bilder – später" in found.text


def test_xhtml_with_a_declaration_is_read() -> None:
    found = read("minimal.xhtml", media_type="application/xhtml+xml; charset=utf-8")
    assert (found.title, found.language, found.media_type) == (
        "Werkstatt verlor Kundendaten",
        "de",
        "application/xhtml+xml",
    )
    assert found.text.startswith("Eine Autowerkstatt in Birkenau")


@pytest.mark.parametrize("media_type", ["text/plain", ""])
@pytest.mark.parametrize(
    "head", ["<!-- a --> <!--b-->", "<?xml version='1.0'?>\n<!---->"]
)
def test_a_page_is_known_behind_its_comments(head: str, media_type: str) -> None:
    body = f"{head}\n<!doctype html><title>Keys</title><p>The clerk lost them.".encode()
    found = extract(body, media_type=media_type, charset=None, url=URL)
    assert found.media_type == "text/html"


def test_plain_text_loses_its_fixed_width() -> None:
    wrapped = b"The clerk of Halm sent a list with\r\nthe names of 310 voters to a wrong\r\naddress."
    body = (
        b"Clerk mailed list of names\r\n\r\n"
        + wrapped
        + b"\r\n\r\nHe noticed it on Monday.\r\n"
    )
    found = extract(body, media_type="text/plain", charset="utf-8", url=URL)
    assert found.title == "Clerk mailed list of names"
    assert (
        found.text
        == "The clerk of Halm sent a list with the names of 310 voters to a wrong address.\nHe noticed it on Monday."
    )


@pytest.mark.parametrize(
    ("body", "media_type", "reason"),
    [
        (b"", "text/html", "empty"),
        (b" \r\n ", "text/plain", "empty"),
        (b"<html></html>", "text/html", "empty"),
        (b"<!DOCTYPE html>", "text/html", "empty"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 200, "text/html", "binary"),
        (b"MZ\x90\x00\x03\x00\x00\x00" * 50, "text/plain", "binary"),
        (b"PK\x03\x04" + b"\x00" * 90, "application/octet-stream", "binary"),
        (b"{}", "application/json", "unsupported_media_type"),
        (b"\xff\xd8\xff\xe0", "image/jpeg", "unsupported_media_type"),
        (b"<rss></rss>", "application/rss+xml", "unsupported_media_type"),
        (b"%PDF-1.7 and then nothing", "application/pdf", "unreadable"),
        (b"no pdf at all", "application/pdf", "unreadable"),
    ],
)
def test_a_refusal_has_a_stable_reason(
    body: bytes, media_type: str, reason: str
) -> None:
    with pytest.raises(ExtractError) as refused:
        extract(body, media_type=media_type, charset=None, url=URL)
    assert refused.value.reason == reason


@pytest.mark.timeout(
    60
)  # each takes a second or so; without bounds, minutes or the whole stack
@pytest.mark.parametrize(
    "bomb",
    [
        "<div>" * 100_000 + "<p>x",
        "<p>" + "<b>" * 100_000 + "x" + "</b>" * 100_000,
        "<p>" + "word " * 200_000 + "</p>",
        "<p>" + "x" * 1_000_000 + "</p>",
        '<script type="application/ld+json">' + '{"a":[' * 50_000 + "</script>",
        "<p>" + "&amp;lt;" * 200_000 + "</p>",
        '<div class="' + "author date " * 50_000 + '"><p>x</p></div>',
        "<h1>" + "a | " * 100_000 + "</h1>",
        '<blockquote class="twitter-tweet"><p>a' * 120,
    ],
    ids=[
        "nested",
        "nested-inline",
        "long-line",
        "long-word",
        "nested-json",
        "entities",
        "long-class",
        "long-heading",
        "posts",
    ],
)
def test_a_page_made_to_hang_its_reader_comes_to_an_end(bomb: str) -> None:
    story = (
        "<p>The clerk of Halm sent the names of 310 voters to an address that was not the one he meant.</p>"
        * 6
    )
    assert refusal_of(html_of(bomb + story), "text/html") in (None, "too_complex")


def test_more_elements_than_any_article_has_are_refused() -> None:
    with pytest.raises(ExtractError) as refused:
        extract(
            html_of("<p>a" * 100_000), media_type="text/html", charset=None, url=URL
        )
    assert refused.value.reason == "too_complex"


def test_a_page_of_nothing_but_a_refresh_names_where_it_leads() -> None:
    found = read("refresh.html", url="https://old.tidewater.example/story?id=1")
    assert found.refresh_url == "https://old.tidewater.example/2031/03/story.html"
    assert found.shortcoming is not None


def test_a_ticker_that_reloads_itself_is_no_refresh() -> None:
    story = (
        "<p>The council met again at noon and heard the clerk, who said how the list had left the building.</p>"
        * 8
    )
    for content in ("60", "0; url=" + URL, "300; url=/next"):
        page = html_of(
            f'<meta http-equiv="refresh" content="{content}"><article>{story}</article>'
        )
        assert (
            extract(page, media_type="text/html", charset=None, url=URL).refresh_url
            is None
        )


def test_the_language_is_read_from_the_text_and_for_a_short_one_from_the_page() -> None:
    assert read("harbour_leak.html").language == "en"
    assert read("brief_zh.html").language == "zh"
    short = b'<html lang="nl"><title>Kort bericht</title><p>Een zin.</p>'
    assert (
        extract(short, media_type="text/html", charset=None, url=URL).language == "nl"
    )
