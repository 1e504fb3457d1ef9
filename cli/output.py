"""Rows for people and programs: aligned on a terminal, tab-separated in a pipe, or JSON."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import click

from cli.context import printable

Row = Mapping[str, Any]
Columns = Mapping[str, Callable[[Row], object]]  # header -> value of the cell
GAP = "  "
WIDEST_ID = 22  # characters; what is wider is text, which may be cut
MIN_TEXT = 12  # characters that a text keeps on a narrow terminal

json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line."
)


def write(rows: Iterable[Row], columns: Columns, *, as_json: bool) -> None:
    """Write rows as JSON lines, as a table that fits the terminal, or as TSV with header.

    Cells are one line without control characters. Only a terminal is fitted: texts are cut,
    then columns left out; ids stay whole.
    """
    if as_json:
        for row in rows:
            write_json(row)
        return
    header = list(columns)
    cells = (
        [printable(str(_text(get(row)))) for get in columns.values()] for row in rows
    )
    if sys.stdout.isatty():
        _write_aligned(header, list(cells))
        return
    first = next(cells, None)  # a failure comes before the header
    click.echo("\t".join(header))
    for line in chain([first] if first else [], cells):
        click.echo("\t".join(line))


def write_done(row: Row, *cells: object, as_json: bool) -> None:
    """Write the outcome of a change: a JSON object, or one line of cells, without header."""
    if as_json:
        write_json(row)
    else:
        click.echo("\t".join(map(str, cells)).rstrip())


def write_json(row: object) -> None:
    """Write one JSON object as a line."""
    click.echo(json.dumps(row, ensure_ascii=False))


def _text(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return value


def _write_aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = fit(header, rows, shutil.get_terminal_size().columns)
    for number, line in enumerate((header, *rows)):
        cells = (_sized(line[column], width) for column, width in widths.items())
        click.secho(GAP.join(cells).rstrip(), bold=number == 0)


def fit(
    header: Sequence[str], rows: Sequence[Sequence[str]], room: int
) -> dict[int, int]:
    """Return the widths of the columns that fit into a line of `room` characters.

    Texts share what the other columns leave. Where that is less than MIN_TEXT for each,
    columns are left out, from the last but one on; the first and the last stay.
    """
    from rich.cells import cell_len

    natural = {
        column: max(cell_len(line[column]) for line in (header, *rows))
        for column in range(len(header))
    }
    while True:
        texts = sorted(
            (column for column in natural if natural[column] > WIDEST_ID),
            key=natural.__getitem__,
        )
        others = sum(width for width in natural.values() if width <= WIDEST_ID)
        left = room - others - len(GAP) * (len(natural) - 1)
        between = [column for column in natural if 0 < column < len(header) - 1]
        optional = [column for column in between if column not in texts] or between
        if left >= MIN_TEXT * len(texts) or not optional:
            break
        del natural[optional[-1]]
    for number, column in enumerate(texts):  # the narrowest first: it may leave some
        share = max(MIN_TEXT, left // (len(texts) - number))
        natural[column] = min(natural[column], share)
        left -= natural[column]
    return natural


def _sized(text: str, width: int) -> str:
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) > width:
        return set_cell_size(text, width - 1) + "…"
    return set_cell_size(text, width)
