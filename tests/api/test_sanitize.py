"""Strangers' words do nothing in spreadsheets, feed readers and terminals."""

import io
import zipfile

import pytest

from services.api.dashboard import tables
from services.api.sanitize import defused, printable


@pytest.mark.parametrize("sign", "=+-@＝＋－＠﹢﹣")
def test_a_cell_that_begins_like_a_formula_is_defused(sign):
    assert defused(f"{sign}1+1") == f"'{sign}1+1"


@pytest.mark.parametrize(
    "hidden",
    ["\x1b", "\x9b", "\u202e", "\ufeff", "\r\n", "\t ", "\u200b", "\u2060", "\u00ad"],
)
def test_what_is_not_seen_hides_no_formula(hidden):
    assert defused(f"{hidden}=1+1") == "'=1+1"


@pytest.mark.parametrize("mark", ["\u180e", "\u200d\u200c"])
def test_a_mark_without_a_width_hides_no_formula(mark):
    assert defused(f"{mark}=1+1") == f"'{mark}=1+1"


def test_control_and_direction_characters_are_removed():
    assert printable("a\x1b[31m \x9bb\u202ec\u2066\nd") == "a[31m bc d"


def test_other_values_stay():
    assert (defused(3), defused(None), defused("人脸识别")) == (3, None, "人脸识别")


def test_the_tables_of_the_pages_hold_no_formula() -> None:
    rows = [dict.fromkeys(tables.COLUMNS, "=1+1")]
    text = tables.write_csv(rows, 1).decode("utf-8-sig")
    assert set(text.splitlines()[1].split(",")) == {"'=1+1"}
    with zipfile.ZipFile(io.BytesIO(tables.write_xlsx(rows, 1))) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert sheet.count("<t>'=1+1</t>") == len(tables.COLUMNS)
    assert "<f>" not in sheet
