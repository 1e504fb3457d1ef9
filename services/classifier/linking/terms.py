"""What a text speaks of, as weighted terms: words, names, amounts and dates, in no particular script.

English-like scripts give stemmed words; Chinese and Japanese runs give character bigrams, so that nothing has to be
segmented. Weights come from the text alone; how common a term is, the linker learns from the stream.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache, lru_cache

from services.classifier.linking.common_words import CHINESE, ENGLISH

MAX_CHARS = 20_000  # of a text; what a news story is about stands before that
TITLE_BOOST = 1.5
NAME_BOOST = 1.25
COMMON_SHARE = 0.6  # of their weight, to words of common_words.py

_HAN = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
TOKEN = re.compile(rf"([{_HAN}]+)|([^\W\d_{_HAN}]+(?:['\u2019][a-z]+)?)|(\d+(?:[.,]\d+)*)")
_SCALE = re.compile(r"\s?(thousand|million|billion|trillion|bn|mn|[kKmM]\b|[\u4e07\u4ebf])")
_SCALES = {
    "thousand": 10**3, "k": 10**3, "million": 10**6, "mn": 10**6, "m": 10**6, "billion": 10**9, "bn": 10**9,
    "trillion": 10**12, "\u4e07": 10**4, "\u4ebf": 10**8,
}  # fmt: skip
# Titles of works and quoted names: what stands in for capitals where a script has none.
_QUOTED = re.compile(
    "[\u300a\u3008\u300c\u300e\u201c]([^\u300a-\u300f\u201c\u201d\u3008\u3009]{2,20})[\u300b\u3009\u300d\u300f\u201d]"
)
_MONTHS = "january february march april may june july august september october november december".split()
_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in _MONTHS)
_DATE = re.compile(
    r"(\d{4})\s?[-/\u5e74]\s?(\d{1,2})\s?[-/\u6708]\s?(\d{1,2})(?!\d)"
    rf"|\b({_MONTH})\.?\s(\d{{1,2}})(?:st|nd|rd|th)?,?\s(\d{{4}})\b"
    rf"|\b(\d{{1,2}})(?:st|nd|rd|th)?\s({_MONTH})\.?,?\s(\d{{4}})\b",
    re.IGNORECASE,
)
STOP = frozenset(
    """a an the of in to on at by for with from as is are was were be been being it its he she his her hers him them
    they their theirs we our ours us you your yours i my mine me and or but not no nor so if than then that this these
    those which who whom whose what when where why how will would can could may might shall should must do does did
    done doing has have had having there here about after before over under up down out off into onto between during
    through against also more most some any all each every other another such own same only very just too now s t d ll
    re ve m said say says told mr mrs ms dr according because while until since both many much few several still even
    yet however de la le les el los las en et der die das und ein eine le du des que y
    """.split()
)
_SUFFIXES = (
    ("ies", "y"), ("sses", "ss"), ("ings", ""), ("ing", ""), ("edly", ""), ("ed", ""), ("es", ""), ("s", ""),
    ("ly", ""),
)  # fmt: skip


class Kind(IntEnum):
    """What a term is; explanations count by it."""

    WORD = 0
    NAME = 1
    AMOUNT = 2
    DATE = 3


@dataclass(slots=True)
class Term:
    """A term of one text. Its weight grows with repetition and saturates: 1 to 2, times the boosts."""

    text: str
    kind: Kind
    count: int = 0
    capitals: int = 0
    in_title: bool = False

    def weight(self, is_name: bool) -> float:
        boost = (TITLE_BOOST if self.in_title else 1.0) * (NAME_BOOST if is_name else 1.0)
        return boost * (COMMON_SHARE if self.text in _common() else 1.0) * 2.0 * self.count / (self.count + 1)

    def is_name(self) -> bool:
        """A word is a name where at least half of its occurrences begin with a capital."""
        return self.kind is Kind.NAME or (self.kind is Kind.WORD and self.capitals * 2 >= max(self.count, 2))


@dataclass(slots=True)
class Terms:
    """The distinct terms of a text in order of first appearance, and the sequence of all words for near-duplicates."""

    by_text: dict[str, Term] = field(default_factory=dict)
    sequence: list[str] = field(default_factory=list)

    def add(self, text: str, kind: Kind, in_title: bool, capital: bool = False) -> None:
        term = self.by_text.get(text)
        if term is None:
            term = self.by_text[text] = Term(text, kind)
        term.count += 1
        term.capitals += capital
        term.in_title |= in_title


def terms(title: str, text: str) -> Terms:
    """The terms of a title and a text. Any text will do, also an empty one."""
    found = Terms()
    for part, in_title in ((title, True), (text[:MAX_CHARS], False)):
        if not part.isascii():
            part = unicodedata.normalize("NFKC", part)
        _read(part, in_title, found)
        for match in _DATE.finditer(part):
            found.add(_date(match), Kind.DATE, in_title)
    return found


def spans(text: str) -> Iterator[tuple[str, int, int]]:
    """The words, bigrams and plain numbers of a text as `terms` counts them, with their offsets."""
    for match in TOKEN.finditer(text[:MAX_CHARS]):
        run, word, number = match.groups()
        start = match.start()
        if word and (stemmed := stem(word)):
            yield stemmed, start, match.end()
        elif run:
            yield from ((run[i : i + 2], start + i, start + i + 2) for i in range(len(run) - 1))
        elif number:
            yield number.replace(",", ""), start, match.end()


def _read(part: str, in_title: bool, found: Terms) -> None:
    quoted = [match.span(1) for match in _QUOTED.finditer(part)] if not part.isascii() else []
    for match in TOKEN.finditer(part):
        run, word, number = match.groups()
        if word:
            stemmed = stem(word)
            if stemmed:
                found.add(stemmed, Kind.WORD, in_title, word[0].isupper())
                found.sequence.append(stemmed)
        elif run:
            start = match.start()
            for i in range(len(run) - 1):
                named = any(a <= start + i and start + i + 2 <= b for a, b in quoted)
                found.add(run[i : i + 2], Kind.NAME if named else Kind.WORD, in_title)
                found.sequence.append(run[i : i + 2])
        else:
            _number(number, part, match.end(), in_title, found)


def _number(number: str, part: str, end: int, in_title: bool, found: Terms) -> None:
    digits = number.replace(",", "")
    scale = _SCALE.match(part, end)
    if scale and digits.count(".") <= 1:
        # integers only: 5.3 million and 5,300,000 are one amount
        whole, _, fraction = digits.partition(".")
        factor = _SCALES[scale.group(1).lower()]
        digits = str((int(whole) * 10 ** len(fraction) + int(fraction or 0)) * factor // 10 ** len(fraction))
    if len(digits) > 1:
        found.add(digits, Kind.AMOUNT, in_title)
        found.sequence.append(digits)


def _date(match: re.Match[str]) -> str:
    year, month, day, name1, day1, year1, day2, name2, year2 = match.groups()
    if year is None:
        year, day, name = (year1, day1, name1) if name1 else (year2, day2, name2)
        month = str(1 + [m[:3] for m in _MONTHS].index(name[:3].lower()))
    return f"{year}-{int(month):02}-{int(day):02}"


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """The word without case, possessive and common English endings; empty for a stop word or a single letter."""
    word = word.lower().replace("\u2019", "'")
    if word.endswith("'s"):
        word = word[:-2]
    word = word.replace("'", "")
    if word in STOP:
        return ""
    for suffix, put in _SUFFIXES:
        if not word.endswith(suffix) or len(word) - len(suffix) < 3:
            continue
        if suffix == "s" and word.endswith(("ss", "us", "is")):
            continue
        word = word[: -len(suffix)] + put
        if suffix in ("ing", "ed", "ings") and len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
            word = word[:-1]
        break
    if word.endswith("e") and len(word) > 3:
        word = word[:-1]
    return word if len(word) > 1 else ""


@cache
def _common() -> frozenset[str]:
    return frozenset(stem(word) for word in ENGLISH) | CHINESE
