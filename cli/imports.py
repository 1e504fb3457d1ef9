"""`incidentwire import`: take over a spreadsheet, the feeds of a reader, or AIID."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO, Any

import click

from cli import context, output
from cli.submit import COLUMNS, rows_of
from incidentwire.settings import Settings

AIID = "https://incidentdatabase.ai/cite/"
MAX_FIELD = 5_000_000  # characters of a cell; texts of articles are long
# Column names of spreadsheets (lower case) -> field of a submission.
NAMES = {
    "url": ("url", "link", "address", "source url"),
    "title": ("title", "headline"),
    "text": ("text", "body", "content"),
    "published": ("published", "date", "date_published"),
    "language": ("language", "lang"),
    "same_as": ("same_as", "sameas"),
}
KNOWN = {name for names in NAMES.values() for name in names}
OF_AN_ITEM = (*NAMES["url"], *NAMES["text"])
DELIMITERS = (",", ";", "\t")  # Excel writes the second where a comma is decimal
MAX_SHOWN = 200  # characters of a header in a message
Record = dict[str, str]

file_argument = click.argument("file", type=click.File("rb"))


@click.group()
def import_() -> None:
    """Import a spreadsheet, feeds or AIID; a second run changes nothing."""


@import_.command("csv")
@file_argument
@output.json_option
def import_csv(file: IO[bytes], as_json: bool) -> None:
    """Submit the rows of a CSV file with a header.

    Columns: url, title, text, published, language, same_as. A row with same_as also opens
    an incident that keeps this address. Exits 1 if a row was refused.
    """
    settings = context.current_settings()
    items = [_fields(record) for record in _records(file)]
    elsewhere = [(item, item.pop("same_as", "")) for item in items]
    opened = (
        _open_incident(settings, item.get("title") or address, [address])
        for item, address in elsewhere
        if address
    )
    _write(settings, items, opened, as_json)


@import_.command("opml")
@file_argument
@click.pass_context
@output.json_option
def import_opml(ctx: click.Context, file: IO[bytes], as_json: bool) -> None:
    """Add every feed of an OPML file, as `incidentwire feeds import`."""
    from cli import feeds

    ctx.invoke(feeds.import_opml, opml=file, as_json=as_json)


@import_.command("aiid")
@file_argument
@click.option(
    "--reports",
    type=click.File("rb"),
    help="reports.csv of the snapshot: their addresses are submitted too.",
)
@output.json_option
def import_aiid(file: IO[bytes], reports: IO[bytes] | None, as_json: bool) -> None:
    """Open an incident for each row of incidents.csv of an AIID snapshot.

    Each keeps the address of its AIID record. Exits 1 if a row was refused.
    """
    settings = context.current_settings()
    opened = (
        _open_incident(
            settings,
            record.get("title") or f"AIID incident {record['incident_id']}",
            [AIID + record["incident_id"]],
        )
        for record in _records(file, "incident_id", "title", "reports")
    )
    rows = _records(reports, "url") if reports else ()
    items = [{"url": record.get("url", "")} for record in rows]
    _write(settings, items, opened, as_json)


def _records(file: IO[bytes], *needed: str) -> Iterator[Record]:
    """Yield the rows that hold anything, by lower-case column name.

    Raises click.ClickException.
    """
    lines = io.StringIO(file.read().decode("utf-8-sig"), newline="")
    csv.field_size_limit(MAX_FIELD)
    try:
        reader = csv.DictReader(lines, delimiter=_delimiter(lines), strict=True)
        header = {
            name: (name or "").strip().lower() for name in reader.fieldnames or ()
        }
        missing = [name for name in needed if name not in header.values()]
        if missing or not {*OF_AN_ITEM, *needed} & set(header.values()):
            wanted = ", ".join(missing) or "url or text"
            there = context.printable(", ".join(header.values()))[:MAX_SHOWN]
            raise click.ClickException(
                f"The first line names no column {wanted}, but: {there or 'nothing'}."
                " See docs/migration.md."
            )
        ignored = [name for name in header.values() if name and name not in KNOWN]
        if ignored and not needed:
            shown = context.printable(", ".join(ignored))[:MAX_SHOWN]
            click.echo(f"Columns that are ignored: {shown}", err=True)
        for row in reader:
            record = {
                header[name]: value.strip()
                for name, value in row.items()
                if name in header and isinstance(value, str)
            }
            if any(record.values()):
                yield record
    except csv.Error as error:
        raise click.ClickException(f"This is not CSV: {error}") from None


def _delimiter(lines: io.StringIO) -> str:
    """Return what divides the cells; leave the lines at the header.

    A first line such as `sep=;` is a note of Excel to itself.
    """
    begin = lines.tell()
    first = lines.readline()
    if first.startswith("sep=") and len(first.rstrip()) == len("sep=;"):
        return first[len("sep=")]
    lines.seek(begin)
    return max(DELIMITERS, key=first.count)


def _fields(record: Record) -> Record:
    """Return the values of the columns that are known, by field, empty ones left out."""
    found = {}
    for field, names in NAMES.items():
        values = [record[name] for name in names if record.get(name)]
        if values:
            found[field] = values[0]
    return found


def _open_incident(
    settings: Settings, title: str, same_as: list[str]
) -> dict[str, Any]:
    body = {"title": title[:300], "same_as": same_as}
    url = f"{settings.api_url}/v1/incidents"
    response = context.request("POST", url, settings, json=body)
    answer: dict[str, Any] = response.json()
    if response.status_code == 409 and "id" in answer:
        return {"id": answer["id"], "result": "known", "about": same_as[0]}
    if response.status_code == 422:
        why = f"{same_as[0]}: {context.problem_text(response)}"
        return {"result": "refused", "about": why}
    context.check(response)
    return answer | {"result": "opened", "about": same_as[0]}


def _write(
    settings: Settings,
    items: list[Record],
    opened: Iterable[dict[str, Any]],
    as_json: bool,
) -> None:
    refused = []

    def rows() -> Iterator[dict[str, Any]]:
        for row in chain(opened, rows_of(settings, items)):
            if row["result"] == "refused":
                refused.append(row)
            yield row

    output.write(rows(), COLUMNS, as_json=as_json)
    raise SystemExit(1 if refused else 0)
