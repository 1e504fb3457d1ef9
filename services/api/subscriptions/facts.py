"""What the read model knows about the incident or item of a log entry.

Facts are read once per entry and held against every distinct filter. They are those of
now: the read model has reached at least the entry's position.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from incidentwire.log.cloudevents import rfc3339
from incidentwire.log.recorded_event import RecordedEvent
from services.api.filters.matching import Facts
from services.api.read_model.item_facts import entities, item_facts, sources
from services.api.text.folding import fold

MAX_ITEMS = 100  # of one incident whose texts a filter can see
MAX_REDIRECTS = 1_000

# What a subscription without `type:` in its filter reports.
NEW_TYPES = frozenset({"incident.opened"})
UPDATE_TYPES = NEW_TYPES | {
    "incident.item_linked",
    "incident.item_unlinked",
    "incident.merged",
    "incident.unmerged",
    "incident.split",
    "incident.status_changed",
    "incident.renamed",
    "item.corrected",
    "item.withdrawn",
}
# What may supersede something already delivered.
CORRECTING_TYPES = (
    UPDATE_TYPES
    - NEW_TYPES
    - {
        "incident.item_linked",
        "incident.renamed",
    }
)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An incident or item as messages show it; `labels` include those before the event."""

    kind: str
    id: str
    title: str = ""
    labels: tuple[str, ...] = ()
    status: str = ""
    first_report: str = ""
    last_report: str = ""
    items: int = 0
    sources: int = 0
    url: str = ""
    incidents: tuple[str, ...] = ()  # of an item
    item_ids: tuple[str, ...] = ()  # of an incident, at most MAX_ITEMS

    def as_json(self) -> dict[str, Any]:
        """Return the subject without empty fields."""
        plain = {name: value for name, value in vars(self).items() if value}
        plain["labels"] = list(self.labels)
        for name in ("incidents", "item_ids"):
            if name in plain:
                plain[name] = list(plain[name])
        return plain


@dataclass(frozen=True, kw_only=True)
class EntryFacts:
    """One log entry with what is known about its subject."""

    entry: RecordedEvent
    type: str
    subject: Subject
    related: tuple[
        str, ...
    ] = ()  # every id that the entry is about, redirects resolved
    facts: Facts = field(default_factory=Facts)
    is_correction: bool = False

    @property
    def time(self) -> str:
        return rfc3339(self.entry.time_ms)


def read(db: sqlite3.Connection, entry: RecordedEvent, *, texts: bool) -> EntryFacts:
    """Return the facts of one entry. Without `texts`, words are looked for in titles only."""
    name = entry.type.partition(":")[0]
    data = json.loads(entry.data)
    named = [*data.get("labels", ()), *data.get("labels_before", ())]
    if name.startswith("incident."):
        subject, facts = _incident(db, entry.subject, texts)
    elif name.startswith("item."):
        subject, facts = _item(db, entry.subject, texts)
    else:
        kind = name.partition(".")[0]
        subject = Subject(kind=kind, id=entry.subject)
        facts = Facts()
    related = {subject.id, *subject.incidents, *named_subjects(entry)}
    merged = Facts(
        text=facts.text,
        labels=facts.labels | set(named),
        sources=facts.sources,
        entities=facts.entities,
        countries=facts.countries,
        topics=facts.topics,
        languages=facts.languages,
        statuses=facts.statuses,
        states=facts.states,
        days=facts.days,
        types=frozenset({name}),
        subjects=frozenset(related),
    )
    return EntryFacts(
        entry=entry,
        type=name,
        subject=subject,
        related=tuple(sorted(related)),
        facts=merged,
        is_correction=_is_correction(name, data),
    )


def named_subjects(entry: RecordedEvent) -> set[str]:
    """Return the ids that an event itself names."""
    data = json.loads(entry.data)
    named = {data[key] for key in ("into", "item") if isinstance(data.get(key), str)}
    return named | {entry.subject}


def subjects_by_position(entries: Mapping[int, RecordedEvent]) -> dict[int, set[str]]:
    """Return the ids that each event itself names, by position."""
    return {position: named_subjects(entry) for position, entry in entries.items()}


def _is_correction(name: str, data: Mapping[str, Any]) -> bool:
    """Return whether the event supersedes something already delivered."""
    if name == "incident.status_changed":
        return bool(data.get("new") == "dismissed")
    return name in CORRECTING_TYPES


def _incident(db: sqlite3.Connection, name: str, texts: bool) -> tuple[Subject, Facts]:
    row = _resolved(db, name)
    if row is None:
        return Subject(kind="incident", id=name), Facts()
    columns = "t.title, t.host, t.site, t.language" + (", d.text" if texts else "")
    joined = "LEFT JOIN documents d ON d.n = t.n" if texts else ""
    members = db.execute(
        f"SELECT DISTINCT t.id, {columns} FROM memberships m JOIN items t ON t.id = m.item"
        f" {joined} WHERE m.incident = ? ORDER BY t.n LIMIT ?",
        (row["n"], MAX_ITEMS),
    ).fetchall()
    titles = [member["title"] or "" for member in members]
    subject = Subject(
        kind="incident",
        id=row["id"],
        title=row["title"] or "",
        labels=tuple(json.loads(row["labels"])),
        status=row["status"],
        first_report=row["first_report"],
        last_report=row["last_report"],
        items=row["items"],
        sources=row["sources"],
        item_ids=tuple(member["id"] for member in members),
    )
    facts = Facts(
        text=_text(row["title"] or "", members, titles, texts),
        labels=frozenset(subject.labels),
        sources=sources(
            member[column] for member in members for column in ("host", "site")
        ),
        entities=entities(db, [row["title"] or "", *titles]),
        countries=frozenset(json.loads(row["countries"])),
        topics=frozenset(fold(name) for name in json.loads(row["topics"])),
        languages=frozenset(m["language"] for m in members if m["language"]),
        statuses=frozenset({row["status"]}),
        days=(row["first_report"], row["last_report"]),
    )
    return subject, facts


def _item(db: sqlite3.Connection, name: str, texts: bool) -> tuple[Subject, Facts]:
    row = db.execute("SELECT * FROM items WHERE id = ?", (name,)).fetchone()
    if row is None:
        return Subject(kind="item", id=name), Facts()
    title = row["title"] or ""
    subject = Subject(
        kind="item",
        id=name,
        title=title,
        labels=tuple(json.loads(row["labels"])),
        status=row["state"],
        first_report=row["day"],
        last_report=row["day"],
        url=row["url"] or "",
        incidents=tuple(_incidents_of(db, name)),
    )
    return subject, item_facts(db, row["n"], texts=texts)


def _resolved(db: sqlite3.Connection, name: str) -> sqlite3.Row | None:
    for _ in range(MAX_REDIRECTS):
        row: sqlite3.Row | None = db.execute(
            "SELECT * FROM incidents WHERE id = ?", (name,)
        ).fetchone()
        if row is None or row["into_id"] is None:
            return row
        name = row["into_id"]
    return None


def _incidents_of(db: sqlite3.Connection, item: str) -> list[str]:
    rows = db.execute(
        "SELECT DISTINCT i.id FROM incidents i JOIN memberships m ON m.incident = i.n"
        " WHERE m.item = ?",
        (item,),
    )
    return [row["id"] for row in rows]


def _text(
    title: str, members: Sequence[sqlite3.Row], titles: Sequence[str], texts: bool
) -> str:
    parts = [title, *titles]
    if texts:
        parts += [member["text"] or "" for member in members]
    return "\n".join(parts)
