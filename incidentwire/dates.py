"""Dates as publishers write them, to ISO 8601. Pure: nothing here knows today's date.

An unknown date is better than a wrong one: text that allows two readings gives None,
unless its language (or an unmistakable day) decides. Only MAX_CHARS are looked at, and
every pattern is linear.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from incidentwire.month_names import month_of
from incidentwire.normal_form import normalize

MAX_CHARS = 200
EARLIEST = 1990  # news on the web begin here; an earlier year is a date in a story
LATEST = date(2100, 1, 1)
MAX_AHEAD = timedelta(days=1)  # the date line, and clocks that are wrong by hours
MAX_EPOCH_S = 2_000_000_000  # May 2033; above it stand dates such as 2034050612
MAX_RELATIVE_DAYS = 366  # "2 years ago" is too vague for a date

# Republic of China (Taiwan) and Japanese eras: what is added to the year of the era.
ERAS = {"民國": 1911, "民国": 1911, "令和": 2018, "平成": 1988}
# Hours east of Greenwich. RFC 822 names, and those with one meaning in practice.
ZONES = {
    **dict.fromkeys(("z", "ut", "utc", "gmt", "wet"), 0),
    **dict.fromkeys(("cet", "mez", "west"), 1),
    **dict.fromkeys(("cest", "mesz", "eet"), 2),
    **{"eest": 3, "msk": 3, "jst": 9, "kst": 9, "hkt": 8},
    **{"edt": -4, "est": -5, "cdt": -5, "mdt": -6, "mst": -7, "pdt": -7, "pst": -8},
}
# Languages whose all-numeric dates with a slash or dash begin with the day, and the
# regions that begin with the month. English without a region allows both.
MONTH_FIRST_TAGS = frozenset({"en-us", "en-ph", "es-us"})
UNORDERED_TAGS = frozenset({"", "en", "en-ca"})  # day and month in either order
YEAR_FIRST_LANGUAGES = frozenset({"zh", "ja", "ko", "hu", "lt"})

_NUMBER = re.compile(r"[\d年]")  # every date has one
# Vowel signs of Devanagari are no letters to `re`.
_WORD = r"(?:[^\W\d_]{3,14}|[\u0900-\u0963]{2,14})"
_ERA = re.compile(
    r"(?:(民國|民国|令和|平成)\s?(\d{1,3}|元)\s?[年./-]|(?<!\d)(\d{3})\s?年)"
    r"\s?(\d{1,2})\s?[月./-]\s?(\d{1,2})(?!\d)\s?日?"
)
# A bare year of the Republic of China, on Taiwanese pages: 113/03/05
_ERA_NUMERIC = re.compile(
    r"(?<![\d./-])(1[01]\d)([./-])(\d{1,2})\2(\d{1,2})(?![\d./-])"
)
TAIWANESE_TAGS = ("zh-tw", "zh-hant")
_YEAR_FIRST = re.compile(
    r"(?<!\d)(\d{4})\s?[年년./-]\s?(\d{1,2})\s?[月월./-]\s?(\d{1,2})(?!\d)\s?[日일]?"
)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T?(\d{2})(\d{2})(\d{2})?(Z?))?")
_NUMERIC = re.compile(r"(?<![\d./-])(\d{1,2})([./-])\s?(\d{1,2})\2\s?(\d{4})(?!\d)\.?")
_DAY_FIRST = re.compile(
    rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th|er|re|o|a|º)?[.,]?[\s/-]?\s?(?:de\s|of\s|d')?"
    rf"({_WORD})[.,]?[\s/-]?\s?(?:de\s|del\s)?(\d{{4}}|\d{{2}}(?=\s\d\d:\d\d))(?!\d)",
    re.I,
)
_MONTH_FIRST = re.compile(
    rf"(?<![^\W\d_])({_WORD})[.,]?\s{{1,2}}(\d{{1,2}})(?:st|nd|rd|th)?"
    r"(?:,\s?|\s)(\d{4})(?!\d)",
    re.I,
)
# Wed Oct  9 00:00:00 GMT 2019, as C's ctime and Java's Date print it
_YEAR_LAST = re.compile(
    rf"(?<![^\W\d_])({_WORD})\s{{1,2}}(\d{{1,2}})\s(\d\d:\d\d(?::\d\d)?)"
    r"(\s[A-Za-z]{1,5}|\s[+-]\d{4})?\s(\d{4})(?!\d)"
)
_YEAR_WORD = re.compile(rf"(?<!\d)(\d{{4}})[.,]?\s({_WORD})\.?\s(\d{{1,2}})(?!\d)")
_WEEKDAY_BEFORE = re.compile(r"([^\W\d_]{2,14})[.,]{0,2}\s{0,2}$")
_BEFORE_TIME = re.compile(
    r"(?:[\s,|·•–—-]|T(?=\d)|at\s|um\s|klo\s|kl\.?\s|à\s|às\s|a\slas\s|alle\s|om\s"
    r"|ore\s|[(（][^()（）]{1,4}[)）]|星期.|[周週].)*",
    re.I,
)
_TIME = re.compile(
    r"(上午|下午|晚上|午前|午後|오전|오후)?\s?(\d{1,2})\s?[:h.時时시点點]\s?(\d{2})"
    r"\s?分?(?:[:.](\d{2})(?:[.,]\d{1,9})?)?(?!\d)\s?(?:Uhr|h\b)?\s?([ap]\.?m\b\.?)?",
    re.I,
)
_ZONE = re.compile(
    r"\s?\(?(?:(?:GMT|UTC)?\s?([+-])(\d{1,2}):?(\d{2})?(?!\d)|([A-Za-z]{1,5})\b)"
)
_RELATIVE = re.compile(
    r"(?:vor|hace|il y a|há|for|fa)\s(\d{1,3}|\w{2,4})\s"
    r"(minut|stund|tag|woch|hora|día|dia|semana|heure|jour|semaine|minuto|timer|dager)"
    r"|(\d{1,3}|an?)\s?(minute|min|hour|hr|day|week)s?\sago"
    r"|(\d{1,3})\s?(分钟|分鐘|小时|小時|天|日|周|週|時間|分)前",
    re.I,
)
_DAY_WORD = re.compile(
    r"(?<!\w)(?:(yesterday|gestern|ayer|hier|ontem|ieri|igår|eilen)"
    r"|(today|heute|hoy|aujourd'hui|hoje|oggi|idag|tänään))(?!\w)|(昨天|昨日)|(今天|今日)",
    re.I,
)
_UNIT_DAYS = {
    **dict.fromkeys(
        ("minut", "minute", "min", "minuto", "分钟", "分鐘", "分"), 1 / 1440
    ),
    **dict.fromkeys(("stund", "hora", "heure", "hour", "hr", "timer"), 1 / 24),
    **dict.fromkeys(("小时", "小時", "時間"), 1 / 24),
    **dict.fromkeys(("tag", "día", "dia", "jour", "day", "dager", "天", "日"), 1.0),
    **dict.fromkeys(("woch", "semana", "semaine", "week", "周", "週"), 7.0),
}
_CJK_DIGITS = str.maketrans("〇零一二三四五六七八九", "00123456789")
_CJK_DATE = re.compile(
    r"([〇零一二三四五六七八九十百]{2,6})年([一二三四五六七八九十]{1,2})月"
    r"([一二三四五六七八九十]{1,3})日"
)


def parse(
    text: object,
    *,
    language: str = "",
    month_first: bool | None = None,
    epoch: bool = False,
    now: datetime | None = None,
) -> str | None:
    """Return the first date in a short text as ISO 8601, None if there is none.

    The result is a date, or a date and time with the offset that the text gives; a time
    without a known zone has no offset. `language` is a BCP 47 tag; it names months and
    orders 03/04/2021. `month_first` overrides that order. With `epoch`, a text of 10 or
    13 digits counts seconds or milliseconds since 1970. Relative words ("3 hours ago")
    are resolved against `now` (aware), and give None without it.
    """
    if not isinstance(text, str):
        return None
    text = " ".join(normalize("NFKC", text[:MAX_CHARS]).replace("،", ",").split())
    language = language.replace("_", "-").lower()
    if text.isdecimal():
        return _epoch(text) if epoch and len(text) in (10, 13) else _compact(text)
    relative = _RELATIVE.search(text) or _DAY_WORD.search(text)
    if relative:
        return _relative(relative, now) if now else None
    if not _NUMBER.search(text):
        return None
    text = _CJK_DATE.sub(_with_digits, text)
    return (
        _compact(text)
        or _era(text, language)
        or _year_first(text)
        or _numeric(
            text, _month_first(language) if month_first is None else month_first
        )
        or _named(text, language.partition("-")[0])
    )


def moment(value: str) -> datetime | None:
    """Return the instant of an ISO 8601 text, None without a time or a zone."""
    if "T" not in value:
        return None
    found = datetime.fromisoformat(value)
    return found if found.tzinfo else None


def known_instant(value: str | None) -> str | None:
    """Return a result of `parse` in UTC, or only its day if it has no zone."""
    if value is None:
        return None
    instant = moment(value)
    return rfc3339(instant) if instant else value[:10]


def unless_future(value: str | None, now: datetime) -> str | None:
    """Return a date of publication, None if it is more than MAX_AHEAD after `now`.

    Templates, deadlines and wrong clocks give such dates.
    """
    latest = (now.astimezone(UTC) + MAX_AHEAD).date().isoformat()
    return value if value is not None and value[:10] <= latest else None


def rfc3339(instant: datetime) -> str:
    """Return an aware time in UTC, to the second.

    Raises OverflowError at the ends of the calendar.
    """
    utc = instant.astimezone(UTC)
    return utc.isoformat(timespec="seconds").replace("+00:00", "Z")


def day_of(year: str, month: str, day: str) -> str | None:
    """Return YYYY-MM-DD, None for no such day or one outside EARLIEST and LATEST."""
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        return None
    return found.isoformat() if found.year >= EARLIEST and found < LATEST else None


# -- forms -----------------------------------------------------------------------------


def _epoch(text: str) -> str | None:
    seconds = int(text[:10])
    if seconds > MAX_EPOCH_S:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _compact(text: str) -> str | None:
    match = _COMPACT.fullmatch(text)
    if match is None:
        return None
    day = day_of(match[1], match[2], match[3])
    if day is None or match[4] is None:
        return day
    zone = "+00:00" if match[7] else ""
    return _joined(day, int(match[4]), match[5], match[6], zone)


def _era(text: str, language: str) -> str | None:
    match = _ERA.search(text)
    if match is None and language.startswith(TAIWANESE_TAGS):
        return _of_the_republic(text)
    if match is None:
        return None
    era = match[1]
    in_era = match[2]
    bare = match[3]
    year = 1 if in_era == "元" else int(in_era or bare)
    day = day_of(str(year + ERAS.get(era, ERAS["民國"])), match[4], match[5])
    return _with_time(day, text[match.end() :])


def _of_the_republic(text: str) -> str | None:
    match = _ERA_NUMERIC.search(text)
    if match is None:
        return None
    year = int(match[1]) + ERAS["民國"]
    return _with_time(day_of(str(year), match[3], match[4]), text[match.end() :])


def _year_first(text: str) -> str | None:
    match = _YEAR_FIRST.search(text)
    if match is None:
        return None
    day = day_of(match[1], match[2], match[3])
    return _with_time(day, text[match.end() :])


def _numeric(text: str, month_first: bool | None) -> str | None:
    match = _NUMERIC.search(text)
    if match is None:
        return None
    first, separator, second, year = match.groups()
    if separator == ".":
        month_first = False
    if int(first) > 12 or first.zfill(2) == second.zfill(2):
        month_first = False
    elif int(second) > 12:
        month_first = True
    if month_first is None:
        return None
    month, day_number = (first, second) if month_first else (second, first)
    return _with_time(day_of(year, month, day_number), text[match.end() :])


def _month_first(language: str) -> bool | None:
    """Return whether 03/04/2021 is in March for a language tag; None if unknown."""
    if language in MONTH_FIRST_TAGS:
        return True
    code = language.partition("-")[0]
    if language in UNORDERED_TAGS or code in YEAR_FIRST_LANGUAGES:
        return None
    return False


def _named(text: str, language: str) -> str | None:
    """Return the first date whose month is a word."""
    for pattern, groups in _NAMED:
        for match in pattern.finditer(text):
            year, word, number = (match[group] for group in groups)
            before = _WEEKDAY_BEFORE.search(text[: match.start()])
            month = month_of(word, language, before[1] if before else "")
            if month is None:
                continue
            if len(year) == 2:  # RFC 822; RFC 2822 says how they are read
                year = ("20" if int(year) < 50 else "19") + year
            rest = text[match.end() :]
            if pattern is _YEAR_LAST:
                rest = f" {match[3]}{match[4] or ''}"
            return _with_time(day_of(year, str(month), number), rest)
    return None


# Pattern, and its groups for year, month and day.
_NAMED = (
    (_DAY_FIRST, (3, 2, 1)),
    (_YEAR_LAST, (5, 1, 2)),
    (_MONTH_FIRST, (3, 1, 2)),
    (_YEAR_WORD, (1, 2, 3)),
)


def _relative(match: re.Match[str], now: datetime) -> str | None:
    if match.re is _DAY_WORD:
        yesterday = bool(match[1] or match[3])
        return (now - timedelta(days=yesterday)).date().isoformat()
    count, unit = next(
        (match[n], match[n + 1]) for n in (1, 3, 5) if match[n] is not None
    )
    number = int(count) if count.isdecimal() else 1
    days = number * _UNIT_DAYS[unit.lower()]
    if days > MAX_RELATIVE_DAYS:
        return None
    then = now - timedelta(days=days)
    return then.date().isoformat() if days >= 1 else rfc3339(then)


# -- times -----------------------------------------------------------------------------


def _with_time(day: str | None, rest: str) -> str | None:
    """Return the day with the time of day that follows it in the text, if one does."""
    if day is None:
        return None
    begin = _BEFORE_TIME.match(rest)
    match = _TIME.match(rest, begin.end() if begin else 0)
    if match is None:
        return day
    hour = int(match[2])
    half = (match[1] or match[5] or "").lower()
    if half.startswith("a") or half in ("上午", "午前", "오전"):
        hour %= 12
    elif half:
        hour = hour % 12 + 12
    return _joined(day, hour, match[3], match[4], _zone(rest[match.end() :]))


def _zone(text: str) -> str:
    """Return the offset at the beginning of a text as ±HH:MM; empty if unknown."""
    match = _ZONE.match(text)
    if match is None:
        return ""
    if match[1]:
        return f"{match[1]}{match[2].zfill(2)}:{match[3] or '00'}"
    hours = ZONES.get(match[4].lower())
    return "" if hours is None else f"{hours:+03d}:00"


def _joined(
    day: str, hour: int, minute: str, second: str | None, zone: str
) -> str | None:
    try:
        found = datetime.fromisoformat(
            f"{day}T{hour:02d}:{minute}:{second or '00'}{zone}"
        )
        found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return day
    return found.isoformat()


def _with_digits(match: re.Match[str]) -> str:
    return f"{_cjk_year(match[1])}年{_cjk_number(match[2])}月{_cjk_number(match[3])}日"


def _cjk_year(text: str) -> str:
    """Return the digits of 二〇二四, 一一三 or 一百一十三."""
    hundreds, hundred, rest = text.rpartition("百")
    if not hundred and "十" not in text:
        return text.translate(_CJK_DIGITS)
    tens = rest.lstrip("〇零")
    return str(100 * _cjk_number(hundreds) + (_cjk_number(tens) if tens else 0))


def _cjk_number(text: str) -> int:
    """Return the value of 一 to 三十一; other spellings give a day that does not exist."""
    tens, ten, ones = text.rpartition("十")
    digit = int(ones.translate(_CJK_DIGITS)) if ones else 0
    if not ten:
        return digit
    return (int(tens.translate(_CJK_DIGITS)) if tens else 1) * 10 + digit
