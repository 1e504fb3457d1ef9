"""Dates in short texts, as publishers write them, to ISO 8601. Pure patterns: nothing here knows today's date."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from email.utils import parsedate_to_datetime

from services.classifier.extraction.decoding import clean

EARLIEST = 1990  # the web's news begin here; an earlier year is a date in the story
LATEST = date(2100, 1, 1)

_ISO = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T\s]+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?",
    re.I,
)
_COMPACT = re.compile(r"^(\d{4})(\d{2})(\d{2})(?:T?\d{4,6})?$")
_CJK = re.compile(r"(\d{4})\s*[年./-]\s*(\d{1,2})\s*[月./-]\s*(\d{1,2})\s*日?(?!\d)")
_EUROPEAN = re.compile(r"(?<!\d)(\d{1,2})[.-]\s?(\d{1,2})[.-]\s?(\d{4})(?!\d)")
_SLASHED = re.compile(r"(?<!\d)(\d{1,2})/(\d{1,2})/(\d{4})(?!\d)")
_DAY_FIRST = re.compile(
    r"(?<!\d)(\d{1,2})(?:st|nd|rd|th|er|º)?[.,]?\s+(?:de\s+)?([^\W\d]{3,12})[.,]?\s+(?:de\s+|del\s+)?(\d{4})(?!\d)",
    re.I,
)
_MONTH_FIRST = re.compile(
    r"\b([^\W\d]{3,12})[.]?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})(?!\d)", re.I
)


# Month names by their first letters, long enough to tell them apart, in the languages of the feeds we know.
MONTHS: Mapping[int, tuple[str, ...]] = {
    1: ("jan", "jän", "ene", "gen", "sty", "янв", "oca"),
    2: ("feb", "fév", "fev", "lut", "фев", "şub"),
    3: ("mar", "mär", "mrz", "maa", "мар"),
    4: ("apr", "avr", "abr", "kwi", "апр", "nis"),
    5: ("may", "mai", "mag", "mei", "maj", "май", "мая"),
    6: ("jun", "juin", "giu", "cze", "июн", "haz"),
    7: ("jul", "juil", "lug", "lip", "июл", "tem"),
    8: ("aug", "aoû", "aou", "ago", "sie", "авг", "ağu"),
    9: ("sep", "set", "wrz", "сен", "eyl"),
    10: ("oct", "okt", "out", "ott", "paź", "окт", "eki"),
    11: ("nov", "lis", "ноя", "kas"),
    12: ("dec", "dez", "déc", "dic", "gru", "дек", "ara"),
}
_MONTH_OF = {name: number for number, names in MONTHS.items() for name in names}


def parse(text: str) -> str | None:
    """The first date in a short text as ISO 8601, None where there is none or it is out of range."""
    text = clean(text)[:80]
    if match := _ISO.search(text):
        return _iso(match)
    if match := _COMPACT.match(text):
        return day_of(match[1], match[2], match[3])
    if match := _CJK.search(text):
        return day_of(match[1], match[2], match[3])
    if match := _EUROPEAN.search(text):
        return day_of(match[3], match[2], match[1])
    if match := _SLASHED.search(
        text
    ):  # ambiguous; the American order unless it cannot be
        return day_of(match[3], match[1], match[2]) or day_of(
            match[3], match[2], match[1]
        )
    for match in _DAY_FIRST.finditer(text):
        if month := _month(match[2]):
            return _rfc(text) or day_of(match[3], str(month), match[1])
    for match in _MONTH_FIRST.finditer(text):
        if month := _month(match[1]):
            return day_of(match[3], str(month), match[2])
    return None


def moment(value: str) -> datetime | None:
    """The instant that an ISO 8601 text of `parse` names; None for a bare date and for a time without a zone."""
    if "T" not in value:
        return None
    found = datetime.fromisoformat(value)
    return found if found.tzinfo else None


def _iso(match: re.Match[str]) -> str | None:
    day = day_of(match[1], match[2], match[3])
    if not day or match[4] is None:
        return day
    zone = (match[7] or "").upper()
    zone = (
        "+00:00"
        if zone in ("Z", "UTC", "GMT")
        else f"{zone[:3]}:{zone[-2:]}"
        if zone
        else ""
    )
    try:
        return datetime.fromisoformat(
            f"{day}T{int(match[4]):02d}:{match[5]}:{match[6] or '00'}{zone}"
        ).isoformat()
    except ValueError:
        return day


def _rfc(text: str) -> str | None:
    if text.count(":") < 1:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return moment.isoformat() if EARLIEST <= moment.year < LATEST.year else None


def day_of(year: str, month: str, day: str) -> str | None:
    """YYYY-MM-DD, None where there is no such day or it lies outside of what news can be of."""
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        return None
    return found.isoformat() if found.year >= EARLIEST and found < LATEST else None


def _month(word: str) -> int | None:
    lowered = word.casefold()
    return _MONTH_OF.get(lowered[:4]) or _MONTH_OF.get(lowered[:3])
