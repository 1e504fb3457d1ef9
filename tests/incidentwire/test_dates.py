"""A date is read as its writer meant it, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidentwire import dates, month_names

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        # ISO 8601 and numbers, the year first
        ("2031-03-04", "", "2031-03-04"),
        ("2031-03-04T10:30:00Z", "", "2031-03-04T10:30:00+00:00"),
        ("2031-03-04T10:30:00.123456+0200", "", "2031-03-04T10:30:00+02:00"),
        ("2031-03-04 10:30", "", "2031-03-04T10:30:00"),
        ("2016/6/29 15:07:41", "", "2016-06-29T15:07:41"),
        ("2031.3.4", "", "2031-03-04"),
        ("20310304", "", "2031-03-04"),
        ("20310304T103000Z", "", "2031-03-04T10:30:00+00:00"),
        ("203103041030", "", "2031-03-04T10:30:00"),
        ("2031-02-30", "", None),
        ("1831-03-04", "", None),
        ("1709640000", "", None),
        # Chinese, Japanese, Korean
        ("2024年3月5日 14:30", "", "2024-03-05T14:30:00"),
        ("2024年3月5日 星期二 下午3:04", "zh", "2024-03-05T15:04:00"),
        ("２０２４年３月５日", "zh", "2024-03-05"),
        ("二〇二四年三月二十五日", "zh", "2024-03-25"),
        ("民國113年3月5日", "zh", "2024-03-05"),
        ("中華民國 113 年 3 月 5 日 14:30", "zh-TW", "2024-03-05T14:30:00"),
        ("民國113/03/05", "zh", "2024-03-05"),
        ("113年3月5日", "zh", "2024-03-05"),
        ("令和6年3月5日(火) 9時05分", "ja", "2024-03-05T09:05:00"),
        ("令和元年5月1日", "ja", "2019-05-01"),
        ("2024년 3월 5일 오후 3:04", "ko", "2024-03-05T15:04:00"),
        # numbers, the day or the month first
        ("04.03.2031", "", "2031-03-04"),
        ("04. 03. 2031 14:30 Uhr", "de", "2031-03-04T14:30:00"),
        ("13/4/2031", "", "2031-04-13"),
        ("4/13/2031", "", "2031-04-13"),
        ("4/4/2031", "", "2031-04-04"),
        ("03/04/2031", "", None),
        ("03/04/2031", "en", None),
        ("03/04/2031", "en-US", "2031-03-04"),
        ("03/04/2031", "en_GB", "2031-04-03"),
        ("03/04/2031", "es", "2031-04-03"),
        ("03/04/2031", "zh", None),
        ("192.168.10.20", "", None),
        # month names
        ("Tue, 04 Mar 2031 10:00:00 +0200", "", "2031-03-04T10:00:00+02:00"),
        ("Tue, 4 Mar 31 10:00 GMT", "", "2031-03-04T10:00:00+00:00"),
        ("4 Mar 2031 10:00:00 EST", "", "2031-03-04T10:00:00-05:00"),
        ("Tue, 04 Mar 2031 10:00:00 XYZT", "", "2031-03-04T10:00:00"),
        ("04-Mar-2031 10:00", "", "2031-03-04T10:00:00"),
        ("Mo, 25 Jun 2018 11:41:36", "", "2018-06-25T11:41:36"),
        ("Do, 31 Okt 2019 23:52:59 -0400", "", "2019-10-31T23:52:59-04:00"),
        ("4. März 2031 um 14.30 Uhr", "de", "2031-03-04T14:30:00"),
        ("4 de marzo de 2031", "", "2031-03-04"),
        ("1er mars 2031", "fr", "2031-03-01"),
        ("mercredi 4 juillet 2029 à 14h30", "fr", "2029-07-04T14:30:00"),
        ("4 jui 2029", "fr", None),
        ("Ke, 30 Lok 2013 11:34:37 +0000", "", "2013-10-30T11:34:37+00:00"),
        ("Ke, 30 Mar 2013 11:34:37 +0000", "", "2013-11-30T11:34:37+00:00"),
        ("Wed, 30 Mar 2013 11:34:37 +0000", "fi", "2013-03-30T11:34:37+00:00"),
        ("30 Mar 2013", "fi", None),
        ("4. maaliskuuta 2031 klo 9.05", "fi", "2031-03-04T09:05:00"),
        ("4 marca 2031", "pl", "2031-03-04"),
        ("4 марта 2031", "ru", "2031-03-04"),
        ("5 listopadu 2031", "cs", "2031-11-05"),
        ("Dec 4, 2018", "", "2018-12-04"),
        ("Sep 23, 2024", "", "2024-09-23"),
        ("Sept. 23, 2024 at 3:04 p.m.", "en", "2024-09-23T15:04:00"),
        ("March 4th, 2031", "", "2031-03-04"),
        ("Wed, Oct 09 2019 00:00:00 GMT", "", "2019-10-09T00:00:00+00:00"),
        ("Miércoles, 4 de Mayo de  2022 a las 07:46", "es", "2022-05-04T07:46:00"),
        ("Wed Oct  9 00:30:00 2019", "", "2019-10-09T00:30:00"),
        ("Wed Oct 09 00:30:00 GMT 2019", "", "2019-10-09T00:30:00+00:00"),
        ("2013. október 30.", "hu", "2013-10-30"),
        ("中華民國一一三年三月五日", "zh-tw", "2024-03-05"),
        ("民國一百一十三年三月五日", "", "2024-03-05"),
        ("113/03/05 10:20", "zh-TW", "2024-03-05T10:20:00"),
        ("113.03.05", "zh-Hant-TW", "2024-03-05"),
        ("113/03/05", "", None),
        ("10.113.03.05", "zh-TW", None),
        ("03/04/2021", "en-CA", None),
        ("12:30 AM", "", None),
        ("Jan 5, 2031 12:30 AM", "", "2031-01-05T00:30:00"),
        ("12 parts of 2031", "", None),
        ("version 4 mar", "", None),
        ("", "", None),
        ("5 मई 2024", "hi", "2024-05-05"),
        ("٥ مارس، ٢٠٢٤", "ar", "2024-03-05"),
        ("5. listopada 2024.", "hr", "2024-10-05"),
        ("5 listopada 2024", "pl", "2024-11-05"),
        ("5 listopada 2024", "", None),
        ("5/3/2024, 10:00 (GMT+7)", "vi", "2024-03-05T10:00:00+07:00"),
    ],
)
def test_a_date_is_read_as_it_is_written(
    text: str, language: str, found: str | None
) -> None:
    assert dates.parse(text, language=language) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1709640000", "2024-03-05T12:00:00+00:00"),
        ("1709640000123", "2024-03-05T12:00:00+00:00"),
        ("2024030514", None),  # an hour, not a moment in 2034
        ("750116788", None),
        ("20240305", "2024-03-05"),
    ],
)
def test_seconds_since_1970_are_read_on_request(text: str, found: str | None) -> None:
    assert dates.parse(text, epoch=True) == found


@pytest.mark.parametrize("value", [None, 5, b"2031-03-04", ["2031-03-04"]])
def test_only_text_has_a_date(value: object) -> None:
    assert dates.parse(value) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("3 hours ago", "2026-03-10T09:00:00Z"),
        ("vor 3 Tagen", "2026-03-07"),
        ("hace 3 días · 7 enero 2019", "2026-03-07"),
        ("il y a 2 semaines", "2026-02-24"),
        ("3小时前", "2026-03-10T09:00:00Z"),
        ("yesterday", "2026-03-09"),
        ("昨天 14:30", "2026-03-09"),
        ("an hour ago", "2026-03-10T11:00:00Z"),
        ("99 weeks ago", None),
    ],
)
def test_relative_dates_need_the_present(text: str, found: str | None) -> None:
    assert dates.parse(text) is None
    assert dates.parse(text, now=NOW) == found


def test_an_instant_needs_a_zone() -> None:
    assert dates.known_instant("2031-03-04T10:00:00-04:00") == "2031-03-04T14:00:00Z"
    assert dates.known_instant("2031-03-04T10:00:00") == "2031-03-04"
    assert dates.known_instant("2031-03-04") == "2031-03-04"
    assert dates.known_instant(None) is None


@pytest.mark.parametrize("language", sorted(month_names.MONTHS))
def test_every_month_of_every_language_is_told_apart(language: str) -> None:
    for number, forms in enumerate(month_names.MONTHS[language].split(), start=1):
        for name in forms.split("/"):
            if len(name) >= 3:
                found = dates.parse(f"4 {name} 2031", language=language)
                assert found == f"2031-{number:02d}-04", name


@given(st.text(max_size=60), st.sampled_from(["", "en", "fi", "zh", "de-AT"]))
def test_no_text_raises_and_every_result_is_iso(text: str, language: str) -> None:
    found = dates.parse(text, language=language, now=NOW)
    assert found is None or datetime.fromisoformat(found)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2099, 12, 30)))
def test_common_forms_give_back_the_moment(instant: datetime) -> None:
    instant = instant.replace(microsecond=0)
    for form in ("%Y/%m/%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%Y年%m月%d日 %H:%M:%S"):
        assert dates.parse(instant.strftime(form)) == instant.isoformat()


HOSTILE = ["1", "1.", "1/", " ", "a", "1 a ", "年", "2031-", "(", "ago ", "周", "-1"]


@pytest.mark.parametrize("part", HOSTILE)
def test_long_text_costs_no_more_than_its_beginning(part: str) -> None:
    text = part * 100_000
    assert dates.parse(text) == dates.parse(text[: dates.MAX_CHARS])


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("2026-03-10", True),
        ("2026-03-11T09:00:00+14:00", True),
        ("2026-03-12", False),
        ("2041-11-16T18:11:00+00:00", False),
        ("2026-03", True),
        ("2026-04", False),
    ],
)
def test_a_day_after_today_is_no_day_of_publication(value: str, *, kept: bool) -> None:
    assert dates.unless_future(value, NOW) == (value if kept else None)
