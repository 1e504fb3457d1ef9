"""The rows of topics: the definitions in force, and the items and incidents on them.

New items are matched in memory, one by one; after a change of the definitions, all items are
matched by SQL. Tests hold the two to the same answers.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from incidentwire import events as e
from incidentwire.log.recorded_event import RecordedEvent
from services.api.filters import functions, sql
from services.api.filters.matching import Facts
from services.api.filters.topic import Topic, TopicError, compile_filter, topics_of
from services.api.read_model.changes import Changes
from services.api.read_model.item_facts import item_facts
from services.api.text.folding import fold

OF_TITLE = ("title", "labels", "countries", "languages", "first_report", "last_report")


def write(db: sqlite3.Connection, changes: Changes) -> bool:
    """Write the topics of the changed items; return whether definitions changed.

    A changed spelling of an entity counts, because filters may name it. The rows of the
    incidents are to be written anew then, by `write_incidents`.
    """
    for entry in changes.topics:
        _apply(db, entry)
    topics = in_force(db)
    if changes.topics or (changes.aliases and topics):
        _match_all(db, topics)
        return True
    if topics:
        _match(db, topics, [state.n for state in changes.changed.values()])
    return False


def in_force(db: sqlite3.Connection) -> list[Topic]:
    """Return the topics in force.

    One that this release cannot parse, because another one had more fields, matches
    nothing.
    """
    found = []
    for name, text in db.execute("SELECT name, filter FROM topics ORDER BY folded"):
        try:
            found.append(Topic(name=name, tree=compile_filter(text)))
        except TopicError:
            continue
    return found


def of_incident(
    topics: Iterable[Topic], of_items: Iterable[str], named: Mapping[str, str] | None
) -> str:
    """Return the topics of an incident as a JSON array of names.

    They are those of its items. If a person gave the title, `named` holds the columns
    OF_TITLE, and the topics that these match are added.
    """
    own = topics_of(_title_facts(named), topics) if named else []
    return json.dumps(sorted({*of_items, *own}), ensure_ascii=False)


def write_incidents(db: sqlite3.Connection) -> None:
    """Write the topics of all incidents anew."""
    topics = in_force(db)
    of_items: dict[int, list[str]] = {}
    rows = db.execute(
        "SELECT DISTINCT m.incident, t.topic FROM item_topics t"
        " JOIN item_incidents m ON m.n = t.n"
    )
    for n, topic in rows:
        of_items.setdefault(n, []).append(topic)
    db.execute("UPDATE incidents SET topics = '[]' WHERE topics <> '[]'")
    found = {n: of_incident((), names, None) for n, names in of_items.items()}
    named = db.execute(
        f"SELECT n, {', '.join(OF_TITLE)} FROM incidents"
        " WHERE named = 1 AND into_id IS NULL"
    )
    for n, *columns in named.fetchall():
        row = dict(zip(OF_TITLE, columns, strict=True))
        found[n] = of_incident(topics, of_items.get(n, ()), row)
    db.executemany(
        "UPDATE incidents SET topics = ? WHERE n = ? AND into_id IS NULL",
        [(names, n) for n, names in found.items() if names != "[]"],
    )


def _title_facts(row: Mapping[str, str]) -> Facts:
    """Return the facts of an incident whose title a person gave."""
    return Facts(
        text=f"{row['title']}\n",
        labels=frozenset(json.loads(row["labels"])),
        countries=frozenset(json.loads(row["countries"])),
        languages=frozenset(json.loads(row["languages"])),
        days=(row["first_report"], row["last_report"]),
    )


def _apply(db: sqlite3.Connection, entry: RecordedEvent) -> None:
    event = entry.event
    if isinstance(event, e.TopicDefined):
        values = (event.filter, event.colour, event.description, event.who)
        db.execute(
            "INSERT OR REPLACE INTO topics VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.subject,
                event.name,
                fold(event.name),
                *values,
                entry.time_ms,
                entry.position,
            ),
        )
    else:
        db.execute("DELETE FROM topics WHERE id = ?", (entry.subject,))


def _match_all(db: sqlite3.Connection, topics: Sequence[Topic]) -> None:
    functions.register(db)
    db.execute("DELETE FROM item_topics")
    for topic in topics:
        condition, values = sql.item(topic.tree)
        db.execute(
            f"INSERT INTO item_topics SELECT i.n, ? FROM items i WHERE {condition}",
            [topic.name, *values],
        )


def _match(
    db: sqlite3.Connection, topics: Sequence[Topic], numbers: Sequence[int]
) -> None:
    texts = any(topic.needs_text for topic in topics)
    db.executemany("DELETE FROM item_topics WHERE n = ?", [(n,) for n in numbers])
    rows = [
        (n, name)
        for n in numbers
        for name in topics_of(item_facts(db, n, texts=texts), topics)
    ]
    db.executemany("INSERT INTO item_topics VALUES (?, ?)", rows)
