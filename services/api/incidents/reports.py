"""The reports of incidents: which items, from which addresses, with which passages."""

from __future__ import annotations

import html
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from incidentwire.labels import MentionId
from services.api.read_model.incident_state import IncidentProjection

MAX_REPORTS = 100  # of one incident, those that were submitted first
MAX_QUOTED = 3  # reports of one incident whose texts are read

ItemIds = Mapping[
    str, Sequence[str]
]  # incident -> its items, the earliest report first

# The correlated subquery bounds the work: the largest incident costs no more than 100 items.
_ITEMS_NOW = """
SELECT i.id, t.id FROM incidents i JOIN items t ON t.n IN (
  SELECT n FROM item_incidents WHERE incident = i.n ORDER BY n LIMIT :most)
WHERE i.id IN (SELECT value FROM json_each(:incidents)) ORDER BY t.day, t.n"""
_PASSAGES = """
SELECT t.id, t.evidence, d.text FROM items t JOIN documents d ON d.n = t.n
WHERE t.evidence_digest = t.text_digest AND t.id IN (SELECT value FROM json_each(?))"""


@dataclass(frozen=True, kw_only=True)
class Report:
    """An item as its incident's exports and feeds show it.

    `source` is the host or site, `quotes` are the passages that its labels rest on; "" and
    none where nothing is known or stored.
    """

    item: str
    title: str = ""
    url: str = ""
    source: str = ""
    quotes: tuple[str, ...] = ()


def item_ids(
    db: sqlite3.Connection,
    incidents: Sequence[str],
    past: IncidentProjection | None = None,
) -> ItemIds:
    """Return the ids of the items of incidents, at most MAX_REPORTS each."""
    if past is not None:
        return _items_then(db, past, incidents)
    found: dict[str, list[str]] = {name: [] for name in incidents}
    given = {"incidents": json.dumps(list(incidents)), "most": MAX_REPORTS}
    for name, item in db.execute(_ITEMS_NOW, given):
        found[name].append(item)
    return found


def reports(db: sqlite3.Connection, items: ItemIds) -> dict[str, list[Report]]:
    """Return the reports of incidents, whose items `item_ids` returned.

    Quotes are those of the first MAX_QUOTED reports that have stored passages.
    """
    wanted = json.dumps(sorted({item for names in items.values() for item in names}))
    rows = db.execute(
        "SELECT id, title, coalesce(final_url, url), coalesce(host, site) FROM items"
        " WHERE id IN (SELECT value FROM json_each(?))",
        (wanted,),
    )
    facts = {item: (title, url, source) for item, title, url, source in rows}
    quotes = _quotes(
        db, [name for names in items.values() for name in names[:MAX_QUOTED]]
    )
    return {
        incident: [
            Report(
                item=item,
                title=facts[item][0] or "",
                url=facts[item][1] or "",
                source=facts[item][2] or "",
                quotes=quotes.get(item, ()),
            )
            for item in names
            if item in facts
        ]
        for incident, names in items.items()
    }


def quotes_of(found: Iterable[Report]) -> list[str]:
    """Return the distinct quotes of reports, in order."""
    return list(dict.fromkeys(quote for report in found for quote in report.quotes))


def addresses_of(found: Iterable[Report]) -> list[str]:
    """Return the distinct addresses of reports, in order."""
    return list(dict.fromkeys(report.url for report in found if report.url))


def report_html(found: Sequence[Report], base: str) -> str:
    """Return quotes, and sources with links to address and item, for feed readers.

    `base` begins the addresses of our pages.
    """
    quotes = "".join(
        f"<blockquote>{html.escape(quote)}</blockquote>" for quote in quotes_of(found)
    )
    sources = "".join(f"<li>{_report_link(report, base)}</li>" for report in found)
    return quotes + (f"<ul>{sources}</ul>" if sources else "")


def _report_link(report: Report, base: str) -> str:
    title = html.escape(report.title or report.item)
    if report.url.startswith(("http://", "https://")):
        title = f'<a href="{html.escape(report.url)}">{title}</a>'
    item = html.escape(f"{base}/items/{report.item}")
    source = html.escape(report.source)
    return f'{title} {source} (<a href="{item}">{report.item}</a>)'


def _items_then(
    db: sqlite3.Connection, past: IncidentProjection, incidents: Sequence[str]
) -> ItemIds:
    members = {
        name: {MentionId.parse(key).item for key in past.state.members(name)}
        for name in incidents
    }
    wanted = json.dumps(sorted({item for items in members.values() for item in items}))
    rows = db.execute(
        "SELECT id, n, day FROM items WHERE id IN (SELECT value FROM json_each(?))",
        (wanted,),
    )
    number = {item: (n, day) for item, n, day in rows}
    first = {
        name: sorted(items & number.keys(), key=number.__getitem__)[:MAX_REPORTS]
        for name, items in members.items()
    }
    return {
        name: sorted(items, key=lambda item: number[item][::-1])
        for name, items in first.items()
    }


def _quotes(db: sqlite3.Connection, items: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return by item the first passage of each of its labels."""
    found = {}
    for item, evidence, text in db.execute(_PASSAGES, (json.dumps(list(items)),)):
        spans = [span for label in json.loads(evidence).values() for span in label[:1]]
        found[item] = tuple(dict.fromkeys(text[start:end] for start, end in spans))
    return found
