"""An item's row, and the words kept beside it: pure but for the statements that write them."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from incidentwire.documents import StoredDocument
from incidentwire.items import Item, State
from incidentwire.log.cloudevents import rfc3339
from services.api.read_model.changes import ItemState
from services.api.read_model.search_text import indexed

Documents = Callable[[Sequence[tuple[str, str]]], Sequence[StoredDocument | None]]

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
MONTH = re.compile(r"\d{4}-\d{2}")


def write(
    db: sqlite3.Connection, changed: Mapping[str, ItemState], documents: Documents
) -> None:
    """Bring rows, labels and words of the changed items up to their standings."""
    standings = list(changed.values())
    held = _held(db, [s.n for s in standings])
    wanted = [s for s in standings if s.document and s.document != held.get(s.n)]
    fetched = (
        documents([(s.item.id, s.document or "") for s in wanted]) if wanted else ()
    )
    fresh = dict(zip([s.n for s in wanted], fetched, strict=True))
    for standing in standings:
        n, before = standing.n, held.get(standing.n)
        if before is not None and (n in fresh or standing.document is None):
            _forget(db, n)
        if (document := fresh.get(n)) is not None:
            _keep(db, n, standing.document or "", document)
        elif n in fresh or standing.document is None:
            document = StoredDocument()  # nothing is kept: title and author go too
        _upsert(db, row(standing, document))
        if n == standing.position or standing.item.version > 1:
            _set_labels(db, n, standing.item.labels)


def _day(published: str | None) -> str | None:
    """The day that a date filter compares; of a month its first."""
    if published and MONTH.fullmatch(published):
        return f"{published}-01"
    return published[:10] if published and DAY.match(published) else None


def row(standing: ItemState, document: StoredDocument | None) -> dict[str, Any]:
    """The row of table `items`. Without a document, title and author are left out: they stay as they are."""
    item, fetched, said = standing.item, standing.item.fetched, standing.item.classified
    withdrawn = item.state is State.WITHDRAWN
    published = fetched.published if fetched else None
    values: dict[str, Any] = {
        "n": standing.n,
        "id": item.id,
        "position": standing.position,
        "version": item.version,
        "state": str(item.state),
        "url": item.url,
        "canonical_url": item.canonical_url,
        "final_url": fetched.final_url if fetched else None,
        "host": _host(item, fetched.final_url if fetched else None),
        "site": fetched.site if fetched else None,
        "published": published,
        "language": (fetched.language if fetched else None)
        or (said.language if said else None),
        "words": fetched.words if fetched else None,
        "completeness": fetched.completeness if fetched else None,
        "day": _day(published) or rfc3339(standing.submitted_ms)[:10],
        "labels": json.dumps(item.labels),
        "model_labels": json.dumps(() if withdrawn else item.model_labels),
        "scores": json.dumps(dict(said.scores) if said and not withdrawn else {}),
        "evidence": json.dumps(dict(said.evidence) if said and not withdrawn else {}),
        "mentions": json.dumps(
            {m.id: (m.start, m.end) for m in said.mentions}
            if said and not withdrawn
            else {}
        ),
        "review": json.dumps(
            said.review if said and not withdrawn and not item.corrected else ()
        ),
        "corrected_by": item.corrected.who
        if item.corrected and not withdrawn
        else None,
        "note": (item.corrected.note or None)
        if item.corrected and not withdrawn
        else None,
        "model": said.model if said else None,
        "text_digest": fetched.text_digest if fetched else None,
        "evidence_digest": said.text_digest if said else None,
        "document_digest": standing.document,
        "given": int(fetched.given if fetched else item.is_text_given),
        "reason": item.reason,
        "detail": item.detail or None,
        "retryable": int(item.retryable),
        "next_try": item.next_try,
        "attempt": item.attempt,
        "via": item.via,
        "feed": item.feed,
        "alias_of": item.alias_of,
        "submitted_ms": standing.submitted_ms,
        "updated_ms": standing.updated_ms,
    }
    if document is not None:
        values["title"], values["author"] = document.title or None, document.author
    return values


def _host(item: Item, final_url: str | None) -> str | None:
    url = item.canonical_url or final_url
    return urlsplit(url).hostname if url else None


def _upsert(db: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    columns = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    updates = ", ".join(
        f"{name} = excluded.{name}" for name in values if name not in ("n", "id")
    )
    db.execute(  # names of columns come from `row` alone
        f"INSERT INTO items ({columns}) VALUES ({marks}) ON CONFLICT (n) DO UPDATE SET {updates}",
        values,
    )


def _set_labels(db: sqlite3.Connection, n: int, labels: Sequence[str]) -> None:
    there = {
        label
        for (label,) in db.execute("SELECT label FROM item_labels WHERE n = ?", (n,))
    }
    for label in there.difference(labels):
        db.execute("DELETE FROM item_labels WHERE label = ? AND n = ?", (label, n))
    for label in sorted(set(labels) - there):
        db.execute("INSERT INTO item_labels VALUES (?, ?)", (label, n))


def _held(db: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, str]:
    """n -> digest of the document whose words are there."""
    marks = ",".join("?" * len(numbers))
    return dict(
        db.execute(
            f"SELECT n, digest FROM documents WHERE n IN ({marks})",
            list(numbers),
        )
    )


def _keep(
    db: sqlite3.Connection, n: int, digest: str, document: StoredDocument
) -> None:
    db.execute(
        "INSERT INTO documents VALUES (?, ?, ?, ?)",
        (n, digest, document.title, document.text),
    )
    words = (n, indexed(document.title), indexed(document.text))
    db.execute("INSERT INTO words (rowid, title, text) VALUES (?, ?, ?)", words)


def _forget(db: sqlite3.Connection, n: int) -> None:
    """Delete the words of an item. The index keeps no text of its own, so it is told what to take out."""
    title, text = db.execute(
        "SELECT title, text FROM documents WHERE n = ?", (n,)
    ).fetchone()
    words = (n, indexed(title), indexed(text))
    db.execute(
        "INSERT INTO words (words, rowid, title, text) VALUES ('delete', ?, ?, ?)",
        words,
    )
    db.execute("DELETE FROM documents WHERE n = ?", (n,))
