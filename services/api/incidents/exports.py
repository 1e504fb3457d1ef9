"""Exports of incidents: Atom and JSON feeds per filter, and everything as CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from flask import Response, request

from incidentwire.log.cloudevents import rfc3339
from incidentwire.web.auth import require
from services.api.atom import add, document, new_feed
from services.api.http import Blueprint, filters_of, public_url, reader, wait_for
from services.api.incidents.list_query import IncidentPage, page_with_reports
from services.api.incidents.past import as_of
from services.api.incidents.reports import (
    MAX_QUOTED,
    MAX_REPORTS,
    Report,
    addresses_of,
    quotes_of,
    report_html,
)
from services.api.incidents.schemas import IncidentFilterSchema
from services.api.read_model.incident_state import IncidentProjection
from services.api.read_model.reader import Reader
from services.api.sanitize import defused, printable

ENTRIES = 50  # of a feed: the latest changes
PAGE = 1000  # rows per query of an export
# columns that reports fill; both files of incidents end with them
REPORT_COLUMNS: Mapping[str, str] = {
    "item_ids": f"ids of its reports in the table of items; at most {MAX_REPORTS}, by date",
    "source_urls": "addresses of the same reports, separated by spaces",
    "evidence": f"quotations of its first {MAX_QUOTED} reports that its labels rest on, with a"
    " vertical bar between them; empty if no text is stored",
}
# column -> what it means; the order is that of the file
COLUMNS: Mapping[str, str] = {
    "id": "permanent id of the incident",
    "title": "title given by a person, else that of the report that says it best",
    "labels": "labels of its reports",
    "status": "open, confirmed, resolved or dismissed, as curators decided",
    "first_report": "day of the earliest report (ISO 8601)",
    "last_report": "day of the latest report (ISO 8601)",
    "item_count": "number of reports",
    "mention_count": "number of passages that report it; a round-up has several",
    "source_count": "number of distinct hosts that reported",
    "version": "number of changes by people",
    "position": "position of the incident's last event in the log",
    "opened_at": "time at which the incident was recorded first (UTC)",
    "updated_at": "time of the last change (UTC)",
    "countries": "countries that the reports name, ISO 3166-1 codes",
    "topics": "topics that it is on, with a vertical bar between them",
    **REPORT_COLUMNS,
}

blueprint = Blueprint(
    "incident_exports",
    __name__,
    url_prefix="/v1",
    description="Exports and feeds of incidents",
)


@blueprint.route("/incidents.atom", methods=["GET"])
@require("read")
@blueprint.arguments(IncidentFilterSchema, location="query")
@blueprint.response(200, {"type": "string"}, content_type="application/atom+xml")
def atom_feed(query: dict[str, Any]) -> Response:
    """Serve matching incidents as an Atom feed (RFC 4287), latest changes first."""
    return _feed(atom(_latest(query), _address()), "application/atom+xml")


@blueprint.route("/incidents.json", methods=["GET"])
@require("read")
@blueprint.arguments(IncidentFilterSchema, location="query")
@blueprint.response(200, {"type": "object"})
def json_feed(query: dict[str, Any]) -> Response:
    """Serve the same as a JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/)."""
    feed = json_items(_latest(query), _address())
    wants_feed = "feed+json" in request.headers.get("Accept", "")
    media_type = "application/feed+json" if wants_feed else "application/json"
    return _feed(json.dumps(feed, ensure_ascii=False).encode(), media_type)


@blueprint.route("/incidents/export.csv", methods=["GET"])
@require("read")
@blueprint.arguments(IncidentFilterSchema, location="query")
@blueprint.response(200, {"type": "string"}, content_type="text/csv")
def export_csv(query: dict[str, Any]) -> Response:
    """Export all matching incidents, oldest first.

    Cells that a spreadsheet would take for a formula begin with an apostrophe.
    """
    return _attachment(_csv_lines(_all(query)), "text/csv", "incidents.csv")


@blueprint.route("/incidents/export.json", methods=["GET"])
@require("read")
@blueprint.arguments(IncidentFilterSchema, location="query")
@blueprint.response(200, {"type": "object"})
def export_json(query: dict[str, Any]) -> Response:
    """Export all matching incidents as one JSON object, oldest first."""
    return _attachment(_json_parts(_all(query)), "application/json", "incidents.json")


# -- shapes ----------------------------------------------------------------------------


def atom(page: IncidentPage, address: str) -> bytes:
    """Return the feed document; ids contain the log's id, so they are unique."""
    newest = max((i["updated_at"] for i in page.incidents), default=rfc3339(0))
    feed = new_feed(f"urn:incidentwire:{page.log_id}:incidents", "Incidents", newest)
    add(feed, "link", rel="self", href=address)
    for incident in page.incidents:
        found = page.reports.get(incident["id"], ())
        _add_entry(feed, page.log_id, incident, found)
    return document(feed)


def _add_entry(
    feed: Element, log_id: str, incident: dict[str, Any], found: Sequence[Report]
) -> None:
    entry = add(feed, "entry")
    add(entry, "id", f"urn:incidentwire:{log_id}:{incident['id']}")
    add(entry, "title", _title(incident))
    add(entry, "updated", incident["updated_at"])
    add(entry, "published", incident["opened_at"])
    page = public_url(f"/incidents/{incident['id']}")
    add(entry, "link", rel="alternate", type="text/html", href=page)
    data = public_url(f"/v1/incidents/{incident['id']}")
    add(entry, "link", rel="alternate", type="application/json", href=data)
    for report in found:
        if report.url:
            add(entry, "link", rel="via", href=printable(report.url))
    for term in (*incident["labels"], *incident["topics"]):
        add(entry, "category", term=term)
    add(entry, "summary", _summary(incident))
    add(entry, "content", printable(report_html(found, public_url(""))), type="html")


def json_items(page: IncidentPage, address: str) -> dict[str, Any]:
    """Return the JSON Feed."""
    items = [
        {
            "id": f"urn:incidentwire:{page.log_id}:{incident['id']}",
            "url": public_url(f"/incidents/{incident['id']}"),
            "title": _title(incident),
            "content_text": _summary(incident),
            "content_html": report_html(
                page.reports.get(incident["id"], ()), public_url("")
            ),
            "date_published": incident["opened_at"],
            "date_modified": incident["updated_at"],
            "tags": [*incident["labels"], *incident["topics"]],
            "_incidentwire": incident | {"title": printable(incident["title"])},
        }
        for incident in page.incidents
    ]
    return {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Incidents",
        "feed_url": address,
        "items": items,
    }


def _title(incident: dict[str, Any]) -> str:
    return printable(incident["title"]) or str(incident["id"])


def _summary(incident: dict[str, Any]) -> str:
    days = [incident["first_report"], incident["last_report"]]
    when = " to ".join(dict.fromkeys(day for day in days if day))
    items = _counted(incident["item_count"], "item")
    sources = _counted(incident["source_count"], "source")
    labels = ", ".join(incident["labels"])
    parts = (incident["status"], labels, f"{items} from {sources}", when)
    return "; ".join(part for part in parts if part)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


# -- answers ---------------------------------------------------------------------------


def _latest(query: dict[str, Any]) -> IncidentPage:
    wait_for(query.get("min_position"))
    asked = filters_of(query)
    past = as_of(query)
    return reader().read(page_with_reports, asked, "updated", None, ENTRIES, past)


def _address() -> str:
    """Return the public address of this request, whatever Host the client sent."""
    query = request.query_string.decode("ascii", "replace")
    return public_url(request.path) + (f"?{query}" if query else "")


def _feed(body: bytes, mimetype: str) -> Response:
    """Return a feed with an ETag: a reader that asks again gets 304 if unchanged."""
    answer = Response(body, 200, mimetype=mimetype)
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.add_etag()
    answer.make_conditional(request)
    return answer


def _all(query: dict[str, Any]) -> Iterator[IncidentPage]:
    """Return pages of everything that matches.

    The first page is read at once, so that errors come before the answer begins.
    """
    wait_for(query.get("min_position"))
    past = as_of(query)
    asked = filters_of(query)
    first = reader().read(page_with_reports, asked, "oldest", None, PAGE, past)
    return _pages(reader(), asked, first, past)


def _pages(
    source: Reader,
    asked: dict[str, Any],
    page: IncidentPage,
    past: IncidentProjection | None,
) -> Iterator[IncidentPage]:
    yield page
    while page.after:
        page = source.read(page_with_reports, asked, "oldest", page.after, PAGE, past)
        yield page


def _csv_lines(pages: Iterator[IncidentPage]) -> Iterator[bytes]:
    yield ",".join(COLUMNS).encode() + b"\r\n"
    for page in pages:
        text = io.StringIO()
        writer = csv.writer(text)
        for incident in page.incidents:
            row = dict(incident)
            row |= {name: " ".join(incident[name]) for name in ("labels", "countries")}
            row["topics"] = " | ".join(incident["topics"])
            row |= report_cells(incident, page.reports.get(incident["id"], ()))
            writer.writerow([defused(row[name]) for name in COLUMNS])
        yield text.getvalue().encode()


def report_cells(
    incident: Mapping[str, Any], found: Sequence[Report]
) -> dict[str, str]:
    """Return the cells of REPORT_COLUMNS."""
    return {
        "item_ids": " ".join(incident["item_ids"]),
        "source_urls": " ".join(addresses_of(found)),
        "evidence": " | ".join(quotes_of(found)),
    }


def _json_parts(pages: Iterator[IncidentPage]) -> Iterator[bytes]:
    comma = b""
    for n, page in enumerate(pages):
        if n == 0:
            head = f'"position":{page.position},"log_id":"{page.log_id}"'
            yield f'{{{head},"incidents":['.encode()
        for incident in page.incidents:
            urls = addresses_of(page.reports.get(incident["id"], ()))
            whole = incident | {"source_urls": urls}
            yield comma + json.dumps(whole, ensure_ascii=False).encode()
            comma = b","
    yield b"]}"


def _attachment(parts: Iterator[bytes], mimetype: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(parts, 200, headers, mimetype=mimetype)
