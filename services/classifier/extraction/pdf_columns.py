"""Columns of a PDF page whose content stream draws both columns line by line.

Plain extraction follows the content stream and would mix the columns within each line.
A page is divided only if its parts are running prose on both sides of the gutter: the
lines of a table begin with capitals or digits and differ in length.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pypdf import PageObject
from pypdf.generic import NameObject

MIN_ROWS = 6  # with text on both sides of a gutter
MIN_ROW_SHARE = 0.6  # of the rows of a page
MIN_CONTINUED = 0.4  # lines that begin within a sentence, of the lines of one column
MIN_FILL = 0.6  # mean length of a column's lines, of its longest line
MIN_LENGTH = 8  # mean characters of a column's lines
MAX_COLUMNS = 4
OVERLONG = 1.15  # a line across the columns, of the longest line of the left one
SAME_LINE_PT = 2.0
SAME_START_PT = 3.0

_SHOWS = frozenset({b"Tj", b"TJ", b"'", b'"'})
_NO_CHANGE = ([1, 0, 0, 1, 0, 0], b"cm")
_CONTINUED = re.compile(r"[^\W\dA-Z]|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True)
class Piece:
    """Text that one operator draws; `x` and `y` are points from the lower left corner."""

    x: float
    y: float
    text: str


Row = list[Piece]


class RowStarts:
    """The horizontal positions at which the rows of one page are continued.

    Give `see` to pypdf as `visitor_operand_before`.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.continued: Counter[int] = Counter()  # by x in units of SAME_START_PT
        self._last = Piece(0.0, -1.0, "")

    def see(self, operator: bytes, _: object, cm: list[float], tm: list[float]) -> None:
        """Count one operator; `cm` and `tm` are the current matrices."""
        if operator not in _SHOWS:
            return
        piece = _piece("", cm, tm)
        if abs(piece.y - self._last.y) > SAME_LINE_PT:
            self.rows += 1
        elif piece.x > self._last.x:
            self.continued[round(piece.x / SAME_START_PT)] += 1
        self._last = piece

    def suggest_columns(self) -> bool:
        """Return whether many rows are continued at one and the same position."""
        most = max(self.continued.values(), default=0)
        return most >= MIN_ROWS and most >= MIN_ROW_SHARE * self.rows


def by_columns(page: PageObject) -> str | None:
    """Return the text of a page column by column, or None if it has no columns of prose.

    Lines across all columns, such as a headline, keep their place. Forms within the
    page are not read.
    """
    rows = _rows(_pieces(page))
    if _gutter(rows) is None:
        return None
    return "\n".join(_text(row) for row in _ordered(rows, MAX_COLUMNS))


def _pieces(page: PageObject) -> list[Piece]:
    """Return what each operator draws, in the order of the content stream."""
    content = page.get_contents()
    if content is None:
        return []
    operations: list[Any] = []
    for operands, operator in content.operations:
        if operator in _SHOWS:  # pypdf reports a piece at each change of the matrix
            operations.append(_NO_CHANGE)
        operations.append((operands, operator))
    content.operations = operations
    page[NameObject("/Contents")] = content
    found: list[Piece] = []

    def see(text: str, cm: list[float], tm: list[float], *_: object) -> None:
        if text and not text.isspace():
            found.append(_piece(text, cm, tm))
        elif text and found:
            last = found.pop()
            found.append(Piece(last.x, last.y, last.text + text.replace("\n", " ")))

    page.extract_text(visitor_text=see)
    return found


def _piece(text: str, cm: list[float], tm: list[float]) -> Piece:
    x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
    y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
    return Piece(x, y, text)


def _rows(pieces: Iterable[Piece]) -> list[Row]:
    """Return runs of pieces on one line, each further to the right than the last."""
    rows: list[Row] = []
    for piece in pieces:
        last = rows[-1][-1] if rows else None
        if last and abs(piece.y - last.y) <= SAME_LINE_PT and piece.x > last.x:
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return rows


def _ordered(rows: list[Row], columns: int) -> list[Row]:
    """Return the rows with the columns after each other, set off by empty rows."""
    gutter = _gutter(rows) if columns > 1 else None
    if gutter is None:
        return rows
    longest = max(len(_text(left)) for left, right in _divided(rows, gutter) if right)
    found: list[Row] = []
    lefts: list[Row] = []
    rights: list[Row] = []

    def end_block() -> None:
        if found and (lefts or rights):
            found.append([])
        found.extend(_ordered(lefts, columns - 1))
        found.extend(_ordered(rights, columns - 1))
        lefts.clear()
        rights.clear()

    for row, (left, right) in zip(rows, _divided(rows, gutter), strict=True):
        alone = not right and (not rights or len(_text(left)) > OVERLONG * longest)
        if alone and (lefts or rights):
            end_block()
            found.append([])
        if alone:
            found.append(row)
            continue
        lefts.extend([left] if left else [])
        rights.extend([right] if right else [])
    end_block()
    return found


def _divided(rows: list[Row], gutter: float) -> list[tuple[Row, Row]]:
    """Return both sides of each row; a row in which nothing begins at the gutter is left."""
    found = []
    for row in rows:
        starts = [i for i, piece in enumerate(row) if _at(piece, gutter)]
        cut = starts[0] if starts else len(row)
        found.append((row[:cut], row[cut:]))
    return found


def _gutter(rows: list[Row]) -> float | None:
    """Return the position at which the second of two columns of prose begins, or None."""
    starts = Counter(
        round(piece.x / SAME_START_PT) for row in rows for piece in row[1:]
    )
    if not starts:
        return None
    start, count = starts.most_common(1)[0]
    if count < MIN_ROWS or count < MIN_ROW_SHARE * len(rows):
        return None
    gutter = start * SAME_START_PT
    both = [sides for sides in _divided(rows, gutter) if all(sides)]
    lefts = [_text(left) for left, _ in both]
    rights = [_text(right) for _, right in both]
    return gutter if _is_prose(lefts) and _is_prose(rights) else None


def _at(piece: Piece, gutter: float) -> bool:
    return abs(piece.x - gutter) <= SAME_START_PT


def _text(row: Row) -> str:
    return "".join(piece.text for piece in row).replace("\n", " ").strip()


def _is_prose(lines: list[str]) -> bool:
    if not lines:
        return False
    mean = sum(map(len, lines)) / len(lines)
    continued = sum(1 for line in lines if _CONTINUED.match(line))
    return (
        mean >= MIN_LENGTH
        and mean >= MIN_FILL * max(map(len, lines))
        and continued >= MIN_CONTINUED * len(lines)
    )
