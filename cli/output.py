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
MIN_LAST = 10  # characters that the last column keeps on a narrow terminal

json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line."
)


def write(rows: Iterable[Row], columns: Columns, *, as_json: bool) -> None:
    """Write rows as JSON lines, as a table that fits the terminal, or as TSV with header.

    Cells are one line without control characters. Only the last column is ever cut, and
    only on a terminal; ids stay whole.
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
    from rich.cells import cell_len, set_cell_size

    *widths, _ = (
        max(cell_len(line[n]) for line in (header, *rows)) for n in range(len(header))
    )
    used = sum(widths) + len(GAP) * len(widths)
    room = max(MIN_LAST, shutil.get_terminal_size().columns - used)
    for number, line in enumerate((header, *rows)):
        padded = [
            set_cell_size(x, width) for x, width in zip(line, widths, strict=False)
        ]
        last = line[-1]
        if cell_len(last) > room:
            last = set_cell_size(last, room - 1) + "…"
        text = GAP.join([*padded, last]).rstrip()
        click.secho(text, bold=number == 0)
