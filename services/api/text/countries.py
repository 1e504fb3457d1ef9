"""The countries that a report names, by ISO 3166-1 code. Pure and linear.

countries.txt is our own table: names, peoples, capitals and large regions in English and
Chinese. A country counts if the title or the beginning of the text names it; that says
what a report mentions, not where the harm was done.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from services.api.text.folding import fold, simplify

EXAMINED = 1_500  # code points of a text: who did what where stands at the beginning
MAX_COUNTRIES = 8  # of one report, in order of their first mention
_TABLE = Path(__file__).with_name("countries.txt")
_NO_COUNTRY = "-"
_TOKEN = re.compile(r"[A-Za-z]+")
_CAPITALISED = re.compile(r"[A-Z][A-Za-z]*")
_PLAIN = r"\x00-\x7f\u2010-\u2027\u3001-\u3011\u4e00-\u9fff，：（）？！；"
_MAY_HAVE_ACCENTS = re.compile(f"[^{_PLAIN}]+")
_IDEOGRAPH = re.compile(r"[\u4e00-\u9fff]")
_ABBREVIATION = re.compile(r"\bU\.(S|K)\.(?:A\.)?")


@dataclass(frozen=True, kw_only=True)
class CountryTable:
    """The table of countries, indexed for look-ups.

    `names` is (English, Chinese) by code, `codes` the code by folded name, `phrases` the
    names as words by first word, the longest first, `chinese` the code by name, and
    `any_chinese` matches any of these names, the longest first.
    """

    names: Mapping[str, tuple[str, str]]
    codes: Mapping[str, str]
    phrases: Mapping[str, list[tuple[tuple[str, ...], str]]]
    chinese: Mapping[str, str]
    any_chinese: re.Pattern[str]


@cache
def table() -> CountryTable:
    """Return the table, read once."""
    names: dict[str, tuple[str, str]] = {}
    codes: dict[str, str] = {}
    phrases: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    chinese: dict[str, str] = {}
    for line in _TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        code, english, chinese_names = line.split("|")
        for name in english.split(","):
            words = tuple(_TOKEN.findall(_plain(name)))
            phrases.setdefault(words[0], []).append((words, code))
            codes.setdefault(fold(name), code)
        chinese |= dict.fromkeys(chinese_names.split(","), code)
        names[code] = (english.split(",")[0], chinese_names.split(",")[0])
    for found in phrases.values():
        found.sort(key=lambda one: -len(one[0]))
    codes |= {fold(name): code for name, code in chinese.items()}
    codes = {name: code for name, code in codes.items() if code != _NO_COUNTRY}
    names.pop(_NO_COUNTRY)
    return CountryTable(
        names=names,
        codes=codes,
        phrases=phrases,
        chinese=chinese,
        any_chinese=re.compile("|".join(sorted(chinese, key=len, reverse=True))),
    )


def code_of(name: str) -> str:
    """Return the code of a country named by code or name. Raises ValueError."""
    wanted = fold(name)
    if wanted in table().names:
        return wanted
    if wanted not in table().codes:
        raise ValueError("use a country code such as de, or a name such as Germany")
    return table().codes[wanted]


def shown_name(code: str, language: str = "en") -> str:
    """Return the name of a country in English or Chinese; the code if it is unknown."""
    english, chinese = table().names.get(code, (code, code))
    return chinese if language == "zh" else english


def countries(title: str, text: str) -> list[str]:
    """Return the codes of the countries that a report names, first mention first."""
    examined = f"{title}\n{text[:EXAMINED]}"
    found = [*_english(examined), *_chinese(examined)]
    return list(dict.fromkeys(found))[:MAX_COUNTRIES]


def _english(text: str) -> Iterator[str]:
    """Yield the code of each name in capitalised words; the longest name wins."""
    text = _plain(text)
    phrases = table().phrases
    if phrases.keys().isdisjoint(_CAPITALISED.findall(text)):
        return  # as most texts: they need not be divided into words
    words = _TOKEN.findall(text)
    free = 0  # the first word after the last name
    for at in [at for at, word in enumerate(words) if word in phrases]:
        if at < free:
            continue
        for phrase, code in phrases[words[at]]:
            if tuple(words[at : at + len(phrase)]) == phrase:
                free = at + len(phrase)
                if code != _NO_COUNTRY:
                    yield code
                break


def _chinese(text: str) -> Iterator[str]:
    if text.isascii() or not _IDEOGRAPH.search(text):
        return
    for found in table().any_chinese.finditer(simplify(text)):
        code = table().chinese[found[0]]
        if code != _NO_COUNTRY:
            yield code


def _plain(text: str) -> str:
    """Drop the accents of a text, and write U.S. as US."""
    if not text.isascii():
        text = _MAY_HAVE_ACCENTS.sub(lambda found: _without_accents(found[0]), text)
    if "U." in text:
        text = _ABBREVIATION.sub(r"U\1 ", text)
    return text


def _without_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c))
