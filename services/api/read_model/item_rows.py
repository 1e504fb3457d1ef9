"""The rows of items, and the indexed words beside them."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from incidentwire.documents import StoredDocument
from incidentwire.items import Item, State
from incidentwire.log.cloudevents import rfc3339
from services.api.read_model.changes import ItemState
from services.api.text.countries import countries
from services.api.text.index_terms import index_tokens, stems
from services.api.text.names import names

Documents = Callable[[Sequence[tuple[str, str]]], Sequence[StoredDocument | None]]

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
MONTH = re.compile(r"\d{4}-\d{2}")


def write(
    db: sqlite3.Connection, changed: Mapping[str, ItemState], documents: Documents
) -> None:
    """Write words, rows and labels of the changed items.

    Words come first, all together: at a row, which has triggers, FTS5 writes out the
    words that it holds as a segment of the index.
    """
    states = list(changed.values())
    indexed_digests = _indexed_digests(db, [state.n for state in states])
    replaced = _replaced_documents(states, indexed_digests, documents)
    for state in states:
        if state.n in replaced and state.n in indexed_digests:
            _remove_words(db, state.n)
        document = replaced.get(state.n)
        if document is not None:
            _add_words(db, state.n, state.document or "", document)
    for state in states:
        document = replaced.get(state.n)
        if document is None and state.n in replaced:
            document = StoredDocument()  # nothing is stored: no title, author, site
        _upsert(db, row(state, document))
        if state.n == state.position or state.item.version > 1:
            _set_labels(db, state.n, state.item.labels)


def _replaced_documents(
    states: Sequence[ItemState],
    indexed_digests: Mapping[int, str],
    documents: Documents,
) -> dict[int, StoredDocument | None]:
    """Return by row the documents to index, None for those deleted or not stored.

    Items whose document is indexed already are left out.
    """
    replaced = dict.fromkeys([state.n for state in states if state.document is None])
    wanted = [
        state
        for state in states
        if state.document and state.document != indexed_digests.get(state.n)
    ]
    if wanted:
        names = [(state.item.id, state.document or "") for state in wanted]
        numbers = [state.n for state in wanted]
        replaced |= dict(zip(numbers, documents(names), strict=True))
    return replaced


def _day(published: str | None) -> str | None:
    """Return the day that date filters compare: of a month, its first."""
    if not published:
        return None
    if MONTH.fullmatch(published):
        return f"{published}-01"
    return published[:10] if DAY.match(published) else None


def row(state: ItemState, document: StoredDocument | None) -> dict[str, Any]:
    """Return the row of table `items`.

    Without a document, title, author and site are left out: they stay as they are.
    """
    item = state.item
    values: dict[str, Any] = {
        "n": state.n,
        "id": item.id,
        "position": state.position,
        "version": item.version,
        "state": str(item.state),
        "url": item.url,
        "canonical_url": item.canonical_url,
        "labels": json.dumps(item.labels),
        "reviewed": json.dumps(sorted(item.reviewed)),
        "document_digest": state.document,
        "reason": item.reason,
        "detail": item.detail or None,
        "retryable": int(item.retryable),
        "next_try": item.next_try,
        "attempt": item.attempt,
        "via": item.via,
        "feed": item.feed,
        "alias_of": item.alias_of,
        "submitted_ms": state.submitted_ms,
        "updated_ms": state.updated_ms,
        **_of_revision(item, state.submitted_ms),
        **_of_model(item),
        **_of_correction(item),
    }
    if document is not None:
        values["title"] = document.title or None
        values["author"] = document.author
        # From the archive, never from the log: withdrawal deletes it.
        values["site"] = document.site
    return values


def _of_revision(item: Item, submitted_ms: int) -> dict[str, Any]:
    """Return the columns that describe the stored revision."""
    day = rfc3339(submitted_ms)[:10]
    language = item.classified.language if item.classified else None
    fetched = item.fetched
    if fetched is None:
        names = ("final_url", "published", "words", "completeness")
        return dict.fromkeys((*names, "text_digest")) | {
            "host": _host(item, None),
            "language": language,
            "day": day,
            "given": int(item.is_text_given),
        }
    return {
        "final_url": fetched.final_url,
        "host": _host(item, fetched.final_url),
        "published": fetched.published,
        "language": fetched.language or language,
        "words": fetched.words,
        "completeness": fetched.completeness,
        "day": _day(fetched.published) or day,
        "text_digest": fetched.text_digest,
        "given": int(fetched.given),
    }


def _of_model(item: Item) -> dict[str, Any]:
    """Return the columns that the model's classification fills."""
    classified = item.classified
    shown = None if item.state is State.WITHDRAWN else classified
    mentions = {m.id: (m.start, m.end) for m in shown.mentions} if shown else {}
    review = shown.review if shown and not item.corrected else ()
    return {
        "model_labels": json.dumps(item.model_labels if shown else ()),
        "scores": json.dumps(dict(shown.scores) if shown else {}),
        "evidence": json.dumps(dict(shown.evidence) if shown else {}),
        "mentions": json.dumps(mentions),
        "review": json.dumps(review),
        "model": classified.model if classified else None,
        "evidence_digest": classified.text_digest if classified else None,
    }


def _of_correction(item: Item) -> dict[str, Any]:
    corrected = None if item.state is State.WITHDRAWN else item.corrected
    return {
        "corrected_by": corrected.who if corrected else None,
        "note": (corrected.note or None) if corrected else None,
    }


def _host(item: Item, final_url: str | None) -> str | None:
    url = item.canonical_url or final_url
    return urlsplit(url).hostname if url else None


def _upsert(db: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    db.execute(_upsert_sql(tuple(values)), values)


@cache  # `row` has two sets of columns
def _upsert_sql(columns: Sequence[str]) -> str:
    """Return the statement for these columns, whose names come from `row` alone."""
    marks = ", ".join(f":{name}" for name in columns)
    updates = ", ".join(
        f"{name} = excluded.{name}" for name in columns if name not in ("n", "id")
    )
    return (
        f"INSERT INTO items ({', '.join(columns)}) VALUES ({marks})"
        f" ON CONFLICT (n) DO UPDATE SET {updates}"
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


def _indexed_digests(db: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, str]:
    """Return by row the digest of the document whose words are indexed."""
    marks = ",".join("?" * len(numbers))
    return dict(
        db.execute(
            f"SELECT n, digest FROM documents WHERE n IN ({marks})",
            list(numbers),
        )
    )


def _add_words(
    db: sqlite3.Connection, n: int, digest: str, document: StoredDocument
) -> None:
    db.execute(
        "INSERT INTO documents VALUES (?, ?, ?, ?)",
        (n, digest, document.title, document.text),
    )
    sql = "INSERT INTO words (rowid, title, text, stems) VALUES (?, ?, ?, ?)"
    db.execute(sql, (n, *_indexed(document.title, document.text)))
    _add_names(db, n, document)


def _add_names(db: sqlite3.Connection, n: int, document: StoredDocument) -> None:
    """Record the countries and the names of a report, for facets and filters."""
    codes = countries(document.title, document.text)
    named = [(code, n) for code in codes]
    db.executemany("INSERT INTO item_countries (country, n) VALUES (?, ?)", named)
    found = [(n, name) for name, _ in names([document.title])]
    db.executemany("INSERT INTO item_names (n, name) VALUES (?, ?)", found)


def _remove_words(db: sqlite3.Connection, n: int) -> None:
    """Delete the words of an item. The index stores no text: it must be told what to
    remove."""
    title, text = db.execute(
        "SELECT title, text FROM documents WHERE n = ?", (n,)
    ).fetchone()
    sql = (
        "INSERT INTO words (words, rowid, title, text, stems)"
        " VALUES ('delete', ?, ?, ?, ?)"
    )
    db.execute(sql, (n, *_indexed(title, text)))
    for table in ("documents", "item_countries", "item_names"):
        db.execute(f"DELETE FROM {table} WHERE n = ?", (n,))


def _indexed(title: str, text: str) -> tuple[str, str, str]:
    """Return the columns of the index for a document."""
    of_title = index_tokens(title)
    of_text = index_tokens(text)
    return " ".join(of_title), " ".join(of_text), stems([*of_title, *of_text])
