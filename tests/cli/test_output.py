"""Tables on a terminal: lines that fit, with whole ids."""

from __future__ import annotations

import pytest

from cli.output import fit

ID = "i_2rjothosqcvdgps4fafs"
TITLE = "Walnut Clinics tells 61,000 patients that their records leaked"
HEADER = ("id", "state", "labels", "published", "host", "title")
ROW = (ID, "classified", "data_leak", "2026-03-05", "news.example.org", TITLE)


@pytest.mark.parametrize(
    ("room", "left_out"),
    [
        (40, {"state", "labels", "published", "host"}),
        (60, {"published", "host"}),
        (80, {"host"}),
        (100, set()),
        (200, set()),
    ],
)
def test_columns_that_do_not_fit_are_left_out_and_the_id_stays_whole(
    room: int, left_out: set[str]
) -> None:
    widths = fit(HEADER, [ROW], room)
    assert {HEADER[n] for n in range(len(HEADER)) if n not in widths} == left_out
    assert sum(widths.values()) + 2 * (len(widths) - 1) <= room
    assert widths[0] == len(ID)


def test_two_long_texts_share_the_line() -> None:
    widths = fit(("id", "url", "title", "problem"), [(ID, "u" * 30, TITLE, "")], 80)
    assert widths == {0: 22, 1: 22, 2: 23, 3: 7}


def test_a_short_text_leaves_its_share_to_a_longer_one() -> None:
    widths = fit(("id", "url", "title"), [(ID, "u" * 24, TITLE)], 100)
    assert widths == {0: 22, 1: 24, 2: 50}
