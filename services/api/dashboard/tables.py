"""Lists as spreadsheet files: flat columns, a data dictionary, no formulas. Pure but for Flask's JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import xlsxwriter
from flask import Response

from incidentwire.labels import LABELS, plain_name
from services.api.incidents.exports import REPORT_COLUMNS, report_cells
from services.api.incidents.reports import Report
from services.api.sanitize import defused

Row = Mapping[str, Any]

# column -> what it means; the order is that of the files
COLUMNS: Mapping[str, str] = {
    "title": "title given by a person, else that of the report that says it best",
    **{
        name: f"1 if the incident has the label {plain_name(name)}, else 0"
        for name in LABELS
    },
    "status": "open, confirmed, resolved or dismissed, as curators decided",
    "topics": "topics that it is on, with a vertical bar between them",
    "countries": "countries that the reports name, ISO 3166-1 codes",
    "first_report": "day of the earliest report (ISO 8601)",
    "last_report": "day of the latest report (ISO 8601)",
    "reports": "number of reports",
    "sources": "number of distinct hosts that reported",
    "opened_at": "time at which the incident was recorded first (UTC)",
    "updated_at": "time of the last change (UTC)",
    "link": "permanent address of the incident",
    **REPORT_COLUMNS,
}


def incident_row(
    incident: Mapping[str, Any], found: Sequence[Report], base: str
) -> Row:
    """Return an incident and its reports as a flat row; `base` begins its address."""
    return {
        **{label: int(label in incident["labels"]) for label in LABELS},
        "title": incident["title"] or incident["id"],
        "status": incident["status"],
        "topics": " | ".join(incident["topics"]),
        "countries": " ".join(incident["countries"]),
        "first_report": incident["first_report"] or "",
        "last_report": incident["last_report"] or "",
        "reports": incident["item_count"],
        "sources": incident["source_count"],
        "opened_at": incident["opened_at"],
        "updated_at": incident["updated_at"],
        "link": base + str(incident["id"]),
        **report_cells(incident, found),
    }


def write_csv(rows: Sequence[Row], position: int) -> bytes:
    """Return a CSV file with a byte-order mark, which makes Excel read UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([defused(row[name]) for name in COLUMNS])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def write_xlsx(rows: Sequence[Row], position: int) -> bytes:
    """Return an Excel file: the rows, and a sheet that explains the columns.

    Every text is written as text: no formula, no link is made of it.
    """
    file = io.BytesIO()
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
    }
    book = xlsxwriter.Workbook(file, options)
    bold = book.add_format({"bold": True})
    sheet = book.add_worksheet("incidents")
    sheet.freeze_panes(1, 1)
    sheet.set_column(0, 0, 60)
    sheet.set_column(1, len(COLUMNS) - 1, 14)
    for column, name in enumerate(COLUMNS):
        sheet.write_string(0, column, name, bold)
    for number, row in enumerate(rows, 1):
        for column, name in enumerate(COLUMNS):
            value = defused(row[name])
            if isinstance(value, int):
                sheet.write_number(number, column, value)
            else:
                sheet.write_string(number, column, str(value)[:32_767])
    about = book.add_worksheet("columns")
    about.set_column(0, 0, 20)
    about.set_column(1, 1, 80)
    for number, (name, meaning) in enumerate(
        [
            ("column", "meaning"),
            *COLUMNS.items(),
            ("(as of)", f"position {position} of the log"),
        ]
    ):
        about.write_string(number, 0, name, bold if number == 0 else None)
        about.write_string(number, 1, meaning, bold if number == 0 else None)
    book.close()
    return file.getvalue()


def as_json(body: Any) -> Response:
    """Return a JSON answer."""
    return Response(
        json.dumps(body, ensure_ascii=False), 200, mimetype="application/json"
    )


WRITERS: Mapping[str, Callable[[Sequence[Row], int], bytes]] = {
    "csv": write_csv,
    "xlsx": write_xlsx,
}
TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
