"""Bytes to text, whatever header and page declare."""

from __future__ import annotations

import pytest

from services.classifier.extraction.decoding import decode, looks_binary

CHINESE = "某市网信办通报，一家酒店的数据库未设密码，六万名住客的身份证号码被公开。" * 6
RUSSIAN = "Клиника оставила записи пациентов на открытом сервере, сообщил надзор. " * 6
FRENCH = "La clinique a laissé les dossiers des élèves à découvert pendant l'été. " * 6
CZECH = (
    "Společnost řekla úřadu, že údaje zákazníků byly na nezabezpečeném serveru. " * 6
)
PORTUGUESE = (
    "A clínica expôs informações de crianças; não há autorização, diz a comissão. " * 6
)
SPANISH = (
    "La clínica dejó al descubierto datos de niños durante años, según la agencia. " * 6
)
DANISH = "Klinikken lod oplysninger om børn ligge åbent på en server, siger tilsynet. "
ENGLISH = "The clinic’s files — 40,000 of them — lay open at a café in São Paulo. "
HUNGARIAN = (
    "A társaság közölte, hogy az ügyfelek adatait őrző szerver hónapokig nyitva állt. "
    * 6
)
POLISH = (
    "Spółka poinformowała, że dane klientów były dostępne na niezabezpieczonym serwerze. "
    * 6
)
# Detection takes it for English: only the declarations tell.
MIXED = CHINESE[:36] + "The hotel said on Monday that nobody had seen the names. " * 20


def page(text: str, meta: str = "") -> str:
    tag = f'<meta charset="{meta}">' if meta else ""
    return f"<html><head>{tag}<title>x</title></head><body><p>{text}</p></body></html>"


@pytest.mark.parametrize(
    ("text", "meta", "codec", "header"),
    [
        (CHINESE, "gb2312", "gb18030", "ISO-8859-1"),
        (CHINESE, "", "gb18030", "ISO-8859-1"),
        (CHINESE, "iso-8859-1", "gb18030", "gbk"),
        (MIXED, "gb2312", "gb18030", "windows-1251"),
        (MIXED, "gb2312", "gb18030", "koi8-r"),
        (CHINESE, "", "gb18030", None),
        (CHINESE, "utf-16", "utf-8", None),
        (RUSSIAN, "windows-1251", "cp1251", "ISO-8859-1"),
        (RUSSIAN, "", "cp1251", "windows-1252"),
        (CZECH, "windows-1250", "cp1250", "ISO-8859-1"),
        (FRENCH, "", "cp1252", "ISO-8859-1"),
        (FRENCH, "gb2312", "cp1252", "ISO-8859-1"),
        (FRENCH, "", "utf-8", "ISO-8859-1"),
        (FRENCH, "", "cp1252", "utf-8"),
        (FRENCH, "punycode", "utf-8", "base64"),
    ],
)
def test_what_fits_the_bytes_is_believed(
    text: str, meta: str, codec: str, header: str | None
) -> None:
    assert text in decode(page(text, meta).encode(codec), header)


@pytest.mark.parametrize("header", [None, "iso-8859-2", "utf-8"])
def test_a_bad_byte_does_not_turn_utf_8_into_another_encoding(
    header: str | None,
) -> None:
    body = page(CHINESE).encode() + b"<p>caf\xe9</p>"
    assert CHINESE in decode(body, header)


def test_few_bad_bytes_are_an_accident_and_many_another_encoding() -> None:
    chinese = page(CHINESE).encode() + b" caf\xe9" * 20
    assert CHINESE in decode(chinese, "iso-8859-1")
    french = page(FRENCH).encode("cp1252") + "<p>Widget : météo</p>".encode()
    assert FRENCH in decode(french, None)


def test_declared_utf_8_with_the_quotes_of_another_encoding_is_that_one() -> None:
    body = page(ENGLISH * 8, "utf-8").encode("cp1252")
    assert ENGLISH * 8 in decode(body, "utf-8")


def test_a_charset_that_only_python_knows_decodes_nothing() -> None:
    body = page("a" * 200_000, "punycode").encode() + b"\xff-"
    assert "aaaa" in decode(body, "punycode")


@pytest.mark.parametrize(
    ("language", "text", "codec"),
    [
        ("pl", POLISH, "iso8859-2"),
        ("pl-PL", POLISH, "cp1250"),
        ("cs", CZECH, "cp1250"),
        ("cs", CZECH, "iso8859-2"),
        ("fr", FRENCH, "cp1252"),
        ("pt-BR", PORTUGUESE, "cp1252"),
    ],
)
def test_an_undeclared_encoding_is_one_of_the_pages_language(
    language: str, text: str, codec: str
) -> None:
    markup = page(text).replace("<html>", f'<html class="a" lang="{language}">')
    assert text in decode(markup.encode(codec), None)


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (FRENCH, "cp1252"),
        (PORTUGUESE, "cp1252"),
        (SPANISH, "cp1252"),
        (DANISH, "cp1252"),
        (ENGLISH, "cp1252"),
        (HUNGARIAN, "cp1250"),
    ],
)
@pytest.mark.parametrize("language", ["", "en"])
def test_letters_of_an_encoding_that_nobody_declares_are_those_of_its_words(
    text: str, codec: str, language: str
) -> None:
    markup = page(text).replace("<html>", f'<html lang="{language}">')
    assert text in decode(markup.encode(codec), None)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_chinese_page_in_utf16_without_a_mark_is_text(encoding: str) -> None:
    body = f"<html><body><p>{CHINESE}</p></body></html>".encode(encoding)
    assert not looks_binary(body)
    assert CHINESE in decode(body, None)
