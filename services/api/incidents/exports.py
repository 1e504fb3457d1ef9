"""Incidents to take away: an Atom feed and a JSON Feed per filter, and everything that matches as CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET  # only written here, never read

from flask import Response, request

from incidentwire.log.cloudevents import rfc3339
from incidentwire.web.auth import require
from services.api.http import Blueprint
from services.api.incidents import list_query
from services.api.incidents.list_query import IncidentPage
from services.api.incidents.schemas import IncidentFilterSchema
from services.api.incidents.views import as_of, filters, find
from services.api.items.views import reader, wait_for
from services.api.read_model.reader import Reader

ENTRIES = 50  # in a feed; the latest changes
PAGE = 1000  # rows per query of an export
ATOM = "http://www.w3.org/2005/Atom"
COLUMNS = (
    "id", "title", "labels", "status", "first_report", "last_report", "item_count", "mention_count", "source_count",
    "version", "position", "opened_at", "updated_at",
)  # fmt: skip
FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
)  # https://owasp.org/www-community/attacks/CSV_Injection

blueprint = Blueprint(
    "incident_exports", __name__, url_prefix="/v1", description="Incidents to take away"
)


@blueprint.route("/incidents.atom", methods=["GET"])
@require("read")
@blueprint.arguments(IncidentFilterSchema, location="query")
@blueprint.response(200, {"type": "string"}, content_type="application/atom+xml")
def atom_feed(query: dict[str, Any]) -> Response:
    """An Atom feed (RFC 4287) of the incidents that match, those that changed last first."""
    page = _latest(query)
    return _feed(atom(page, request.url, _base()), "application/atom+xml")


@blueprint.route("/incidents.json", methods=["GET"])
@require("read")
@blueprint.arguments(IncidentFilterSchema, location="query")
@blueprint.response(200, {"type": "object"})
def json_feed(query: dict[str, Any]) -> Response:
    """The same as a JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/)."""
    page = _latest(query)
    body = json.dumps(
        json_items(page, request.url, _base()), ensure_ascii=False
    ).encode()
    return _feed(
        body,
        "application/feed+json"
        if "feed+json" in request.headers.get("Accept", "")
        else "application/json",
    )


@blueprint.route("/incidents/export.csv", methods=["GET"])
@require("read")
@blueprint.arguments(IncidentFilterSchema, location="query")
@blueprint.response(200, {"type": "string"}, content_type="text/csv")
def export_csv(query: dict[str, Any]) -> Response:
    """All incidents that match, the oldest first. Cells that a spreadsheet would take for a formula begin with '."""
    return _attachment(_csv_lines(_all(query)), "text/csv", "incidents.csv")


@blueprint.route("/incidents/export.json", methods=["GET"])
@require("read")
@blueprint.arguments(IncidentFilterSchema, location="query")
@blueprint.response(200, {"type": "object"})
def export_json(query: dict[str, Any]) -> Response:
    """All incidents that match as one JSON object, the oldest first."""
    return _attachment(_json_parts(_all(query)), "application/json", "incidents.json")


# -- shapes --------------------------------------------------------------------------------------------------------


def atom(page: IncidentPage, address: str, base: str) -> bytes:
    """The feed document; ids are of this log, so that they never clash with those of another."""
    ET.register_namespace("", ATOM)
    feed = ET.Element(f"{{{ATOM}}}feed")
    _add(feed, "id", f"urn:incidentwire:{page.log_id}:incidents")
    _add(feed, "title", "Incidents")
    newest = max(
        (incident["updated_at"] for incident in page.incidents), default=rfc3339(0)
    )
    _add(feed, "updated", newest)
    _add(_add(feed, "author"), "name", "Incidentwire")
    _add(feed, "link", rel="self", href=address)
    for incident in page.incidents:
        entry = _add(feed, "entry")
        _add(entry, "id", f"urn:incidentwire:{page.log_id}:{incident['id']}")
        _add(entry, "title", _title(incident))
        _add(entry, "updated", incident["updated_at"])
        _add(entry, "published", incident["opened_at"])
        _add(
            entry,
            "link",
            rel="alternate",
            type="application/json",
            href=f"{base}/v1/incidents/{incident['id']}",
        )
        for label in incident["labels"]:
            _add(entry, "category", term=label)
        _add(entry, "summary", _summary(incident))
    body: bytes = ET.tostring(feed, "utf-8", xml_declaration=True)
    return body


def json_items(page: IncidentPage, address: str, base: str) -> dict[str, Any]:
    return {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Incidents",
        "feed_url": address,
        "items": [
            {
                "id": f"urn:incidentwire:{page.log_id}:{incident['id']}",
                "url": f"{base}/v1/incidents/{incident['id']}",
                "title": _title(incident),
                "content_text": _summary(incident),
                "date_published": incident["opened_at"],
                "date_modified": incident["updated_at"],
                "tags": incident["labels"],
                "_incidentwire": incident,
            }
            for incident in page.incidents
        ],
    }


def defused(value: Any) -> Any:
    """A cell that a spreadsheet does not run."""
    return (
        f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
    )


def _title(incident: dict[str, Any]) -> str:
    return "".join(
        c
        for c in incident["title"] or incident["id"]
        if c >= " " and c not in "\ufffe\uffff"
    )


def _summary(incident: dict[str, Any]) -> str:
    when = " to ".join(
        dict.fromkeys(
            day for day in (incident["first_report"], incident["last_report"]) if day
        )
    )
    counts = f"{incident['item_count']} items from {incident['source_count']} sources"
    return "; ".join(
        part
        for part in (incident["status"], ", ".join(incident["labels"]), counts, when)
        if part
    )


def _add(
    parent: ET.Element, name: str, text: str | None = None, **attributes: str
) -> ET.Element:
    made = ET.SubElement(parent, f"{{{ATOM}}}{name}", attributes)
    made.text = text
    return made


# -- answers -------------------------------------------------------------------------------------------------------


def _latest(query: dict[str, Any]) -> IncidentPage:
    wait_for(query.get("min_position"))
    return find(query, "updated", None, ENTRIES)


def _base() -> str:
    return request.url_root.rstrip("/")


def _feed(body: bytes, mimetype: str) -> Response:
    """With an ETag, so that a reader who asks again gets a 304 where nothing changed."""
    answer = Response(body, 200, mimetype=mimetype)
    answer.add_etag()
    answer.make_conditional(request)
    return answer


def _all(query: dict[str, Any]) -> Iterator[IncidentPage]:
    """Pages of everything that matches; the first is read at once, so that refusals come before the answer begins."""
    wait_for(query.get("min_position"))
    past, asked, source = as_of(query), filters(query), reader()
    first = source.read(
        list_query.page, asked, "oldest", None, PAGE if past is None else 10**9, past
    )
    return _pages(source, asked, first)


def _pages(
    source: Reader, asked: dict[str, Any], page: IncidentPage
) -> Iterator[IncidentPage]:
    yield page
    while page.after:
        page = source.read(list_query.page, asked, "oldest", page.after, PAGE)
        yield page


def _csv_lines(pages: Iterator[IncidentPage]) -> Iterator[bytes]:
    yield ",".join(COLUMNS).encode() + b"\r\n"
    for page in pages:
        text = io.StringIO()
        writer = csv.writer(text)
        for incident in page.incidents:
            row = {**incident, "labels": " ".join(incident["labels"])}
            writer.writerow([defused(row[name]) for name in COLUMNS])
        yield text.getvalue().encode()


def _json_parts(pages: Iterator[IncidentPage]) -> Iterator[bytes]:
    comma = b""
    for n, page in enumerate(pages):
        if n == 0:
            yield f'{{"position":{page.position},"log_id":"{page.log_id}","incidents":['.encode()
        for incident in page.incidents:
            yield comma + json.dumps(incident, ensure_ascii=False).encode()
            comma = b","
    yield b"]}"


def _attachment(parts: Iterator[bytes], mimetype: str, name: str) -> Response:
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(parts, 200, headers, mimetype=mimetype)
