"""The words, numbers and dates of a text, and where its runs of Chinese or Japanese are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from incidentwire.normal_form import normalize
from incidentwire.stem import stem
from services.classifier.text.bigrams import Codes, Flags
from services.classifier.text.stop_words import STOP_WORDS

MAX_CHARS = 20_000  # of a text; what a news story is about stands before that

_RUNS = (
    (0x3040, 0x30FF),
    (0x3400, 0x9FFF),
    (0xF900, 0xFAFF),
)  # kana and Chinese characters, code points
FIRST_OF_RUNS = _RUNS[0][0]
_HAN = "".join(f"{chr(first)}-{chr(last)}" for first, last in _RUNS)
TOKEN = re.compile(
    rf"([{_HAN}]+)|([^\W\d_{_HAN}]+(?:['\u2019][a-z]+)?)|(\d+(?:[.,]\d+)*)"
)
# The same without the runs. A class stands first, by which the many other characters of a Chinese text are passed over.
_PLAIN = re.compile(
    rf"[^\W_{_HAN}](?:(?<=\d)\d*(?:[.,]\d+)*|(?<!\d)[^\W\d_{_HAN}]*(?:['\u2019][a-z]+)?)"
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_SCALE = re.compile(
    r"\s?(thousand|million|billion|trillion|bn|mn|[kKmM]\b|[\u4e07\u4ebf])"
)
_SCALES = {
    "thousand": 10**3,
    "k": 10**3,
    "million": 10**6,
    "mn": 10**6,
    "m": 10**6,
    "billion": 10**9,
    "bn": 10**9,
    "trillion": 10**12,
    "\u4e07": 10**4,
    "\u4ebf": 10**8,
}
# Titles of works and quoted names: what stands in for capitals where a script has none.
_QUOTED = re.compile(
    "[\u300a\u3008\u300c\u300e\u201c]([^\u300a-\u300f\u201c\u201d\u3008\u3009]{2,20})[\u300b\u3009\u300d\u300f\u201d]"
)
_YEAR = re.compile("(?:19|20)[0-9]{2}")  # of little weight: many stories name it
_MONTHS = "january february march april may june july august september october november december".split()
_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in _MONTHS)
_FOUR_DIGITS = re.compile(r"\d\d{3}")  # a class first: the search for it is fast
MAX_BEFORE_YEAR = 18  # characters of a date: "September. 30th, "
MAX_AFTER_YEAR = 12  # "-05 - 30", and the next character
_DATE = re.compile(
    r"(?:(\d{4})\s?[-/\u5e74]\s?(\d{1,2})\s?[-/\u6708]\s?(\d{1,2})(?!\d)"
    rf"|\b({_MONTH})\.?\s(\d{{1,2}})(?:st|nd|rd|th)?,?\s(\d{{4}})\b"
    rf"|\b(\d{{1,2}})(?:st|nd|rd|th)?\s({_MONTH})\.?,?\s(\d{{4}})\b)",
    re.IGNORECASE,
)
# Compatibility characters of ordinary Chinese text and what NFKC makes of each.
_WIDE = [
    (wide, unicodedata.normalize("NFKC", wide))
    for wide in "\uff0c\uff1a\uff1b\uff01\uff1f\uff08\uff09\u2026\u3000"
]


@dataclass(slots=True)
class Tokens:
    """The tokens of one text, which is in NFKC.

    `plain`: stemmed words and the digits of numbers, in order. `capitals`: words that
    began with a capital, again. `amounts`: numbers again, without years. `dates`: in
    ISO 8601. `quoted`: offsets of the characters inside quotes. `parts`: words and
    numbers as they stand in the text; `terms`: their terms, empty for stop words.
    """

    text: str
    parts: list[str]
    terms: list[str]
    plain: list[str] = field(default_factory=list)
    capitals: list[str] = field(default_factory=list)
    amounts: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    quoted: list[int] = field(default_factory=list)

    def places(self) -> list[int]:
        """Return the offsets of `plain`. Between two parts nothing can begin one."""
        found = []
        at = 0
        for part, term in zip(self.parts, self.terms, strict=True):
            at = self.text.find(part, at)
            if term:
                found.append(at)
            at += len(part)
        return found


def tokens(text: str) -> Tokens:
    """Return the tokens of any text, also of an empty one."""
    text = _composed(text)
    parts = _PLAIN.findall(text)
    words = list(map(_word, parts))
    found = Tokens(text, parts, [word.term for word in words])
    for index, number in _numbers(text, words):
        found.terms[index] = _number_term(number, found)
    found.plain = [term for term in found.terms if term]
    found.capitals = [word.term for word in words if word.is_capital]
    found.dates = list(_dates(text))
    if not text.isascii():
        quotes = (match.span(1) for match in _QUOTED.finditer(text))
        found.quoted = [at for quote in quotes for at in range(*quote)]
    return found


class _Word(NamedTuple):
    term: str  # empty for a stop word
    is_capital: bool  # of a word that is no stop word


_NUMBER_WORD = _Word("", False)


@lru_cache(maxsize=1 << 16)
def _word(part: str) -> _Word:
    """Return the term of a word, _NUMBER_WORD itself for a number."""
    if part[0].isdecimal():
        return _NUMBER_WORD
    term = term_of(part)
    return _Word(term, part[0].isupper() and term != "")


def _numbers(text: str, words: list[_Word]) -> Iterator[tuple[int, re.Match[str]]]:
    """Yield the numbers of a text with their indices in `words`."""
    indices = [index for index, word in enumerate(words) if word is _NUMBER_WORD]
    if indices:
        yield from zip(indices, _NUMBER.finditer(text), strict=True)


def is_run(letters: Codes) -> Flags:
    """Which letters belong to runs."""
    found = np.zeros(len(letters), dtype=np.bool_)
    for first, last in _RUNS:
        found |= (letters >= first) & (letters <= last)
    return found


def spans(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the words, bigrams and numbers that `terms` counts, with their offsets."""
    for match in TOKEN.finditer(text[:MAX_CHARS]):
        run, word, number = match.groups()
        start = match.start()
        stemmed = term_of(word) if word else ""
        if stemmed:
            yield stemmed, start, match.end()
        elif run:
            yield from (
                (run[i : i + 2], start + i, start + i + 2) for i in range(len(run) - 1)
            )
        elif number:
            yield number.replace(",", ""), start, match.end()


def _composed(part: str) -> str:
    """Return the text in NFKC.

    Frequent characters of Chinese text are replaced first, which is faster.
    """
    if part.isascii():
        return part
    for wide, plain in _WIDE:
        part = part.replace(wide, plain)
    return normalize("NFKC", part)


def _number_term(number: re.Match[str], found: Tokens) -> str:
    """Return the digits of a number, "" for a single one; note all but years as amounts."""
    term = _amount(number.group(), found.text, number.end())
    if len(term) <= 1:
        return ""
    if not _YEAR.fullmatch(term):
        found.amounts.append(term)
    return term


def _amount(number: str, part: str, end: int) -> str:
    """Return the digits of a number, multiplied by a following "million" or the like."""
    digits = number.replace(",", "")
    scale = _SCALE.match(part, end)
    if scale and digits.count(".") <= 1:
        # integers only: 5.3 million and 5,300,000 are one amount
        whole, _, fraction = digits.partition(".")
        factor = _SCALES[scale.group(1).lower()]
        digits = str(
            (int(whole) * 10 ** len(fraction) + int(fraction or 0))
            * factor
            // 10 ** len(fraction)
        )
    return digits


def _dates(text: str) -> Iterator[str]:
    """Yield the dates in ISO 8601. Each has a year, near which alone it is searched for."""
    at = 0
    for year in _FOUR_DIGITS.finditer(text):
        start = max(at, year.start() - MAX_BEFORE_YEAR)
        match = _DATE.search(text, start, year.end() + MAX_AFTER_YEAR)
        if match:
            yield _date(match)
            at = match.end()


def _date(match: re.Match[str]) -> str:
    year, month, day, name1, day1, year1, day2, name2, year2 = match.groups()
    if year is None:
        year, day, name = (year1, day1, name1) if name1 else (year2, day2, name2)
        month = str(1 + [m[:3] for m in _MONTHS].index(name[:3].lower()))
    return f"{year}-{int(month):02}-{int(day):02}"


@lru_cache(maxsize=1 << 16)
def term_of(word: str) -> str:
    """Return the stem of a word, without case and possessive.

    Stop words and single letters give an empty string.
    """
    word = word.lower().replace("\u2019", "'")
    word = word.removesuffix("'s").replace("'", "")
    if word in STOP_WORDS:
        return ""
    stemmed = stem(word)
    return stemmed if len(stemmed) > 1 else ""
