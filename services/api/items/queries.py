"""What is asked of the items in the read model: SQL here, nothing of HTTP."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from incidentwire.log.cloudevents import rfc3339
from services.api.read_model.search_text import match

MAX_ALIASES = 10  # hops

# parameter of GET /v1/items -> condition; the value is bound
CONDITIONS: Mapping[str, str] = {
    "state": "i.state = ?",
    "language": "i.language = ?",
    "host": "i.host = ?",
    "site": "i.site = ?",
    "via": "i.via = ?",
    "from": "i.day >= ?",
    "to": "i.day <= ?",
    "before": "i.n < ?",
    "q": "i.n IN (SELECT rowid FROM words WHERE words MATCH ?)",
}
SAME_AS_ANOTHER = "i.state <> 'aliased'"  # what it stands for is in the list already


@dataclass(frozen=True, kw_only=True)
class ItemPage:
    """Items as JSON objects, newest first. `before` asks for the next page, None where there is none; `position` and
    `log_id` are the read model's."""

    items: list[dict[str, Any]]
    before: int | None
    position: int
    log_id: str


def page(db: sqlite3.Connection, asked: Mapping[str, Any], limit: int) -> ItemPage:
    """Items that fit every condition in `asked`: keys of CONDITIONS, `label` (all of a list) and `review`."""
    where, values = _where(asked)
    sql = f"SELECT i.* FROM items i WHERE {where} ORDER BY i.n DESC LIMIT ?"  # values are bound
    rows = _dicts(db, sql, [*values, limit + 1])
    position, log_id = db.execute("SELECT position, log_id FROM checkpoint").fetchone()
    texts = _texts(db, [row for row in rows[:limit] if row["evidence"] != "{}"])
    found = [as_json(row, texts.get(row["n"])) for row in rows[:limit]]
    before = rows[limit - 1]["n"] if len(rows) > limit else None
    return ItemPage(items=found, before=before, position=position, log_id=log_id)


def one(db: sqlite3.Connection, item_id: str) -> dict[str, Any] | None:
    """An item as a JSON object; of an alias, the item it stands for, with `requested_id`."""
    row = _resolve(db, item_id)
    if row is None:
        return None
    found = as_json(row, _texts(db, [row]).get(row["n"]))
    aliases = db.execute(
        "SELECT id FROM items WHERE alias_of = ? ORDER BY n", (row["id"],)
    )
    found["aliases"] = [name for (name,) in aliases]
    if row["id"] != item_id:
        found["requested_id"] = item_id
    return found


def words(db: sqlite3.Connection, item_id: str) -> dict[str, Any] | None:
    """{"id", "state", "title", "text", "text_digest", "labels"}; `text` is None where none is kept."""
    row = _resolve(db, item_id)
    if row is None:
        return None
    text = _texts(db, [row]).get(row["n"])
    kept = as_json(row, text)
    return {
        name: kept[name] for name in ("id", "state", "title", "text_digest", "labels")
    } | {"text": text}


def as_json(row: Mapping[str, Any], text: str | None) -> dict[str, Any]:
    """The item as the API shows it. `text` is the one that is kept now; quotes are given where evidence is of it."""
    is_quotable = text is not None and row["evidence_digest"] == row["text_digest"]
    scores, evidence = json.loads(row["scores"]), json.loads(row["evidence"])
    plain = {name: row[name] for name in PLAIN}
    links = {name: f"/v1/items/{row['id']}{path}" for name, path in LINKS.items()}
    return {
        **plain,
        "labels": [
            {
                "label": label,
                "score": scores.get(label),
                "by": "person" if row["corrected_by"] is not None else "model",
                "evidence": [
                    _passage(span, text if is_quotable else None)
                    for span in evidence.get(label, ())
                ],
            }
            for label in json.loads(row["labels"])
        ],
        "model_labels": json.loads(row["model_labels"]),
        "scores": scores,
        "review": json.loads(row["review"]),
        "given": bool(row["given"]),
        "retryable": bool(row["retryable"]),
        "corrected": row["corrected_by"] is not None,
        "submitted_at": rfc3339(row["submitted_ms"]),
        "updated_at": rfc3339(row["updated_ms"]),
        "links": links,
    }


PLAIN = (
    "id", "position", "version", "state", "url", "canonical_url", "final_url", "host", "site", "title", "author",
    "published", "language", "words", "completeness", "corrected_by", "note", "model", "text_digest",
    "evidence_digest", "reason", "detail", "next_try", "attempt", "via", "feed", "alias_of",
)  # fmt: skip
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


def _where(asked: Mapping[str, Any]) -> tuple[str, list[Any]]:
    conditions, values = [] if asked.get("state") else [SAME_AS_ANOTHER], []
    for name, condition in CONDITIONS.items():
        value = asked.get(name)
        if value is None:
            continue
        if name == "q":
            value = match(value)
            if value is None:  # no word in it: nothing is found
                condition, value = "i.n = ?", 0
        conditions.append(condition)
        values.append(value)
    for label in asked.get("label", ()):
        conditions.append("i.n IN (SELECT n FROM item_labels WHERE label = ?)")
        values.append(label)
    if asked.get("review") is not None:
        conditions.append("i.review <> '[]'" if asked["review"] else "i.review = '[]'")
    return " AND ".join(conditions) or "TRUE", values


def _resolve(db: sqlite3.Connection, item_id: str) -> dict[str, Any] | None:
    row = None
    for _ in range(MAX_ALIASES):
        found = _dicts(db, "SELECT * FROM items WHERE id = ?", [item_id])
        if not found:
            return row  # an alias of what is not known yet answers for itself
        row = found[0]
        if row["alias_of"] is None:
            return row
        item_id = row["alias_of"]
    return row


def _texts(db: sqlite3.Connection, rows: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    marks = ",".join("?" * len(rows))
    numbers = [row["n"] for row in rows]
    return dict(
        db.execute(f"SELECT n, text FROM documents WHERE n IN ({marks})", numbers)
    )


def _dicts(
    db: sqlite3.Connection, sql: str, values: Sequence[Any]
) -> list[dict[str, Any]]:
    cursor = db.execute(sql, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
