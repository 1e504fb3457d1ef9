"""Items as a flat table: one row each, with sources and evidence. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from incidentwire.labels import LABELS
from services.api.sanitize import defused

Row = Mapping[str, Any]

# column -> what it means; the order is that of the file
COLUMNS: Mapping[str, str] = {
    "id": "permanent id of the item",
    "incidents": "ids of the incidents that it reports, separated by spaces",
    "title": "title of the report",
    **{
        label: f"1 if the item has the label {label.replace('_', ' ')}, else 0"
        for label in LABELS
    },
    "topics": "topics that it is on, with a vertical bar between them",
    "labelled_by": "person, model, or empty if there is no label",
    "evidence": "quotations that the labels rest on, with a vertical bar between them; empty"
    " if the text is no longer stored",
    "url": "address of the report as submitted; empty for a text without one",
    "source": "host of the address",
    "site": "name of the site as its pages give it",
    "author": "author as the page gives it",
    "published": "date of publication (ISO 8601), as exact as the page says",
    "language": "language of the text, ISO 639-1",
    "words": "number of words of the text",
    "state": "queued, waiting, classified, rejected or withdrawn",
    "reason": "reason of a rejection or a wait: a stable word",
    "submitted_at": "time of the submission (UTC)",
    "updated_at": "time of the last change (UTC)",
    "via": "name of the key or feed that submitted it",
    "position": "position of the item's last event in the log",
}
SAME = (
    "id",
    "title",
    "url",
    "site",
    "author",
    "published",
    "language",
    "words",
    "state",
    "reason",
    "submitted_at",
    "updated_at",
    "via",
    "position",
)


def item_row(item: Mapping[str, Any]) -> Row:
    """Return an item of a list as a flat row."""
    labels = {found["label"]: found for found in item["labels"]}
    passages = [span for found in labels.values() for span in found["evidence"]]
    quotes = [span["quote"] for span in passages if span["quote"]]
    return {
        **{name: item[name] for name in SAME},
        **{label: int(label in labels) for label in LABELS},
        "incidents": " ".join(item["incidents"]),
        "topics": " | ".join(item["topics"]),
        "labelled_by": next((found["by"] for found in labels.values()), ""),
        "evidence": " | ".join(dict.fromkeys(quotes)),
        "source": item["host"],
    }


def header() -> bytes:
    """Return the first line of the file."""
    return ",".join(COLUMNS).encode() + b"\r\n"


def lines(items: Iterable[Mapping[str, Any]]) -> bytes:
    """Return items as lines of CSV."""
    text = io.StringIO()
    writer = csv.writer(text)
    for row in map(item_row, items):
        writer.writerow([defused(row[name]) for name in COLUMNS])
    return text.getvalue().encode()
