"""Queries of the items in the read model. No HTTP here."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from incidentwire.items import MAX_ALIASES
from incidentwire.labels import certainty
from incidentwire.log.cloudevents import rfc3339
from services.api.filters import functions, sql
from services.api.filters.parser import Field
from services.api.text.folding import fold
from services.api.topics.queries import of_items as topics_of_items

Condition = tuple[str, list[Any]]  # SQL, bound values


def _compared(condition: str) -> Callable[[Any], Condition]:
    return lambda value: (condition, [value])


def _has_labels(labels: Sequence[str]) -> Condition:
    one = "i.n IN (SELECT n FROM item_labels WHERE label = ?)"
    return " AND ".join([one] * len(labels)) or "TRUE", list(labels)


# The model hesitates, and no curator has corrected the labels or left them as they are.
UNDECIDED = (
    "i.review <> '[]' AND i.corrected_by IS NULL AND i.state = 'classified'"
    " AND NOT instr(i.reviewed, '\"labels\"')"
)


def _needs_review(wanted: bool) -> Condition:
    return (UNDECIDED if wanted else f"NOT ({UNDECIDED})"), []


# filter of GET /v1/items -> condition of a value
CONDITIONS: Mapping[str, Callable[[Any], Condition]] = {
    "label": _has_labels,
    "state": _compared("i.state = ?"),
    "language": _compared("i.language = ?"),
    "host": _compared("i.host = ?"),
    "site": _compared("i.site = ?"),
    "via": _compared("i.via = ?"),
    "from": _compared("i.day >= ?"),
    "to": _compared("i.day <= ?"),
    "q": sql.item,
    "entity": lambda name: sql.item(Field("entity", fold(name))),
    "topic": lambda name: sql.item(Field("topic", fold(name))),
    "country": lambda code: sql.item(Field("country", code)),
    "review": _needs_review,
}
NO_ALIASES = "i.state <> 'aliased'"  # the target is in the list already


@dataclass(frozen=True, kw_only=True)
class ItemPage:
    """Items as JSON objects, newest first.

    `before` asks for the next page, None on the last; `position` and `log_id` are the
    read model's.
    """

    items: list[dict[str, Any]]
    before: int | None
    position: int
    log_id: str


def page(
    db: sqlite3.Connection, asked: Mapping[str, Any], limit: int, before: int | None
) -> ItemPage:
    """Return items that satisfy every filter; `asked` has keys of CONDITIONS.

    With `before`, only items whose first event is before this position.
    """
    functions.register(db)
    where, values = _where(asked, before)
    query = f"SELECT i.* FROM items i WHERE {where} ORDER BY i.n DESC LIMIT ?"
    rows = dicts(db, query, [*values, limit + 1])
    position, log_id = db.execute("SELECT position, log_id FROM checkpoint").fetchone()
    texts = _texts(db, [row for row in rows[:limit] if row["evidence"] != "{}"])
    numbers = [row["n"] for row in rows[:limit]]
    incidents = _incidents(db, numbers)
    topics = topics_of_items(db, numbers)
    found = [
        as_json(row, texts.get(row["n"]))
        | {
            "incidents": incidents.get(row["n"], []),
            "topics": topics.get(row["n"], []),
        }
        for row in rows[:limit]
    ]
    following = rows[limit - 1]["n"] if len(rows) > limit else None
    return ItemPage(items=found, before=following, position=position, log_id=log_id)


def one(db: sqlite3.Connection, item_id: str) -> dict[str, Any] | None:
    """Return an item as a JSON object; for an alias its target and `requested_id`."""
    row = _resolve(db, item_id)
    if row is None:
        return None
    found = as_json(row, _texts(db, [row]).get(row["n"]))
    aliases = db.execute(
        "SELECT id FROM items WHERE alias_of = ? ORDER BY n", (row["id"],)
    )
    found["incidents"] = _incidents(db, [row["n"]]).get(row["n"], [])
    found["topics"] = topics_of_items(db, [row["n"]]).get(row["n"], [])
    found["aliases"] = [name for (name,) in aliases]
    if row["id"] != item_id:
        found["requested_id"] = item_id
    return found


def words(db: sqlite3.Connection, item_id: str) -> dict[str, Any] | None:
    """Return id, state, title, text, text_digest and labels; text None if not stored."""
    row = _resolve(db, item_id)
    if row is None:
        return None
    text = _texts(db, [row]).get(row["n"])
    kept = as_json(row, text)
    return {
        name: kept[name] for name in ("id", "state", "title", "text_digest", "labels")
    } | {"text": text}


def as_json(row: Mapping[str, Any], text: str | None) -> dict[str, Any]:
    """Return the item as the API shows it, with quotes if evidence is of `text`."""
    is_quotable = text is not None and row["evidence_digest"] == row["text_digest"]
    scores = json.loads(row["scores"])
    evidence = json.loads(row["evidence"])
    labels = json.loads(row["labels"])
    review = json.loads(row["review"])
    is_corrected = row["corrected_by"] is not None
    plain = {name: row[name] for name in PLAIN}
    links = {name: f"/v1/items/{row['id']}{path}" for name, path in LINKS.items()}
    return {
        **plain,
        "labels": [
            {
                "label": label,
                "score": scores.get(label),
                "certainty": None if is_corrected else certainty(label, labels, review),
                "by": "person" if is_corrected else "model",
                "evidence": [
                    _passage(span, text if is_quotable else None)
                    for span in evidence.get(label, ())
                ],
            }
            for label in labels
        ],
        "model_labels": json.loads(row["model_labels"]),
        "scores": scores,
        "review": review,
        "given": bool(row["given"]),
        "retryable": bool(row["retryable"]),
        "corrected": is_corrected,
        "submitted_at": rfc3339(row["submitted_ms"]),
        "updated_at": rfc3339(row["updated_ms"]),
        "links": links,
    }


PLAIN = (
    "id",
    "position",
    "version",
    "state",
    "url",
    "canonical_url",
    "final_url",
    "host",
    "site",
    "title",
    "author",
    "published",
    "language",
    "words",
    "completeness",
    "corrected_by",
    "note",
    "model",
    "text_digest",
    "evidence_digest",
    "reason",
    "detail",
    "next_try",
    "attempt",
    "via",
    "feed",
    "alias_of",
)
LINKS = {
    "self": "",
    "text": "/text",
    "events": "/events",
    "snapshot": "/snapshot",
    "evidence": "/evidence.warc.gz",
}


def _passage(span: Sequence[int], text: str | None) -> dict[str, Any]:
    start, end = span
    return {
        "start": start,
        "end": end,
        "quote": text[start:end] if text is not None else None,
    }


def _where(asked: Mapping[str, Any], before: int | None) -> Condition:
    conditions = [CONDITIONS[name](value) for name, value in asked.items()]
    if "state" not in asked:
        conditions.append((NO_ALIASES, []))
    if before is not None:
        conditions.append(("i.n < ?", [before]))
    where = " AND ".join(f"({text})" for text, _ in conditions) or "TRUE"
    return where, [value for _, values in conditions for value in values]


def _resolve(db: sqlite3.Connection, item_id: str) -> dict[str, Any] | None:
    row = None
    for _ in range(MAX_ALIASES):
        found = dicts(db, "SELECT * FROM items WHERE id = ?", [item_id])
        if not found:
            return row  # an alias of what is not known yet answers for itself
        row = found[0]
        if row["alias_of"] is None:
            return row
        item_id = row["alias_of"]
    return row


def _incidents(db: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, list[str]]:
    """Return the ids of the incidents that items report, by the items' numbers."""
    marks = ",".join("?" * len(numbers))
    rows = db.execute(
        "SELECT m.n, incidents.id FROM item_incidents m"
        " JOIN incidents ON incidents.n = m.incident"
        f" WHERE m.n IN ({marks}) ORDER BY m.n, incidents.n",
        numbers,
    )
    found: dict[int, list[str]] = {}
    for n, incident_id in rows:
        found.setdefault(n, []).append(incident_id)
    return found


def _texts(db: sqlite3.Connection, rows: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    marks = ",".join("?" * len(rows))
    numbers = [row["n"] for row in rows]
    return dict(
        db.execute(f"SELECT n, text FROM documents WHERE n IN ({marks})", numbers)
    )


def dicts(
    db: sqlite3.Connection, sql: str, values: Sequence[Any]
) -> list[dict[str, Any]]:
    """Return the rows of a query by column name."""
    cursor = db.execute(sql, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
