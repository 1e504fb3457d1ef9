"""The facts of an item in the read model, for filters that are decided in memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

from services.api.filters.matching import Facts
from services.api.text.folding import fold
from services.api.text.names import names


def item_facts(db: sqlite3.Connection, n: int, *, texts: bool) -> Facts:
    """Return the facts of the item with this number, which must exist.

    Without `texts`, words are looked for in the title only.
    """
    title, host, site, language, labels, state, day = db.execute(
        "SELECT title, host, site, language, labels, state, day FROM items WHERE n = ?",
        (n,),
    ).fetchone()
    statuses = db.execute(
        "SELECT i.status FROM incidents i JOIN item_incidents m ON m.incident = i.n"
        " WHERE m.n = ?",
        (n,),
    )
    countries = db.execute("SELECT country FROM item_countries WHERE n = ?", (n,))
    topics = db.execute(
        "SELECT p.folded FROM item_topics t JOIN topics p ON p.name = t.topic"
        " WHERE t.n = ?",
        (n,),
    )
    return Facts(
        text=f"{title or ''}\n{_text(db, n) if texts else ''}",
        labels=frozenset(json.loads(labels)),
        sources=sources((host, site)),
        entities=entities(db, [title or ""]),
        countries=frozenset(country for (country,) in countries),
        topics=frozenset(topic for (topic,) in topics),
        languages=frozenset({language} if language else ()),
        statuses=frozenset(status for (status,) in statuses),
        states=frozenset({state}),
        days=(day, day),
    )


def sources(hosts_and_sites: Iterable[str | None]) -> frozenset[str]:
    """Return hosts and sites as filters compare them."""
    return frozenset(fold(name) for name in hosts_and_sites if name)


def entities(db: sqlite3.Connection, titles: Sequence[str]) -> frozenset[str]:
    """Return the folded names in titles, in every spelling that curators declared."""
    found = {fold(name) for name, _ in names(titles)}
    rows = db.execute(
        "SELECT b.spelling FROM entity_spellings a JOIN entity_spellings b"
        " ON b.entity = a.entity WHERE a.spelling IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(found)),),
    )
    return frozenset(found | {spelling for (spelling,) in rows})


def _text(db: sqlite3.Connection, n: int) -> str:
    row = db.execute("SELECT text FROM documents WHERE n = ?", (n,)).fetchone()
    return str(row[0]) if row else ""
