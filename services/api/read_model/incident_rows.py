"""The rows of incidents and of their memberships."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from incidentwire.labels import MentionId
from services.api.filters.topic import Topic
from services.api.read_model import topic_rows
from services.api.read_model.incident_state import IncidentProjection
from services.api.text.names import names

INCIDENTS = (
    "n",
    "id",
    "into_id",
    "title",
    "named",
    "status",
    "closed_empty",
    "labels",
    "first_report",
    "last_report",
    "items",
    "mentions",
    "sources",
    "hosts",
    "languages",
    "countries",
    "names",
    "version",
    "split_from",
    "position",
    "opened_ms",
    "updated_ms",
    "same_as",
    "topics",
)
MEMBERSHIPS = (
    "item",
    "mention",
    "incident",
    "score",
    "review",
    "person",
    "labels",
    "linked",
)


LEAD_CHARS = 90
NAMED_ITEMS = 100  # of an incident, whose titles are searched for names

_FIRST_PASSAGE = """
    SELECT json_extract(m.value, '$[0]') AS first, substr(d.text, 1 + json_extract(m.value, '$[0]'),
      min(400, json_extract(m.value, '$[1]') - json_extract(m.value, '$[0]')))
    FROM items t JOIN documents d ON d.n = t.n, json_each(t.mentions) m
    WHERE t.n = ? AND t.evidence_digest = t.text_digest AND m.key IN (SELECT value FROM json_each(?))
    ORDER BY first LIMIT 1"""


class ItemSummary(NamedTuple):
    """An item as its incident sees it.

    `score` is the highest of its labels, `mentions` the number of mentions the model found,
    `countries` are codes, `topics` names.
    """

    id: str
    n: int
    title: str | None
    source: str | None
    host: str | None
    language: str | None
    day: str
    score: float
    mentions: int
    countries: tuple[str, ...]
    topics: tuple[str, ...]


def write(db: sqlite3.Connection, incidents: IncidentProjection) -> None:
    """Write the rows of everything dirty. The rows of the items must exist already."""
    gone = [
        MentionId.parse(key)
        for key in incidents.dirty_mentions
        if key not in incidents.state.links
    ]
    db.executemany("DELETE FROM memberships WHERE item = ? AND mention = ?", gone)
    there = [
        membership(incidents, key)
        for key in sorted(incidents.dirty_mentions)
        if key in incidents.state.links
    ]
    marks = ", ".join("?" * len(MEMBERSHIPS))
    db.executemany(f"INSERT OR REPLACE INTO memberships VALUES ({marks})", there)
    _write_numbers(db, {MentionId.parse(key).item for key in incidents.dirty_mentions})
    marks = ", ".join("?" * len(INCIDENTS))
    fresh = rows(db, incidents, sorted(incidents.dirty_incidents))
    db.executemany(f"INSERT OR REPLACE INTO incidents VALUES ({marks})", fresh)
    incidents.clear()


def _write_numbers(db: sqlite3.Connection, items: Iterable[str]) -> None:
    """Write table `item_incidents` anew for these items, from their memberships."""
    names = json.dumps(sorted(items))
    of_items = "(SELECT n FROM items WHERE id IN (SELECT value FROM json_each(:ids)))"
    db.execute(f"DELETE FROM item_incidents WHERE n IN {of_items}", {"ids": names})
    db.execute(
        "INSERT INTO item_incidents SELECT DISTINCT t.n, m.incident FROM memberships m"
        " JOIN items t ON t.id = m.item WHERE m.item IN (SELECT value FROM json_each(:ids))",
        {"ids": names},
    )


def rows(
    db: sqlite3.Connection, incidents: IncidentProjection, names: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Return rows of table `incidents`, columns in the order of INCIDENTS.

    Items are shown as the database holds them now.
    """
    state = incidents.state
    shown = {
        name: state.members(name) if state.by_id[name].into is None else ()
        for name in names
    }
    summaries = _summaries(
        db, {MentionId.parse(key).item for keys in shown.values() for key in keys}
    )
    topics = topic_rows.in_force(db)
    found = []
    for name in names:
        title = _title(db, shown[name], summaries)
        row = _row(incidents, name, shown[name], summaries, title)
        row["topics"] = _topics(topics, shown[name], summaries, row)
        found.append(tuple(row[column] for column in INCIDENTS))
    return found


def membership(incidents: IncidentProjection, key: str) -> tuple[Any, ...]:
    """Return a row of table `memberships`, columns in the order of MEMBERSHIPS."""
    item, mention = MentionId.parse(key)
    link = incidents.state.links[key]
    labels = incidents.state.labelled(item).get(key, ())
    owner = incidents.stamps[incidents.state.resolve(link.incident)].n
    linked = incidents.linked[link.sequence - 1]
    return (
        item,
        mention,
        owner,
        link.score,
        json.dumps(link.review),
        int(link.person),
        json.dumps(labels),
        linked,
    )


def _row(
    incidents: IncidentProjection,
    name: str,
    keys: Sequence[str],
    summaries: Mapping[str, ItemSummary],
    title: str | None,
) -> dict[str, Any]:
    incident = incidents.state.by_id[name]
    stamp = incidents.stamps[name]
    ids = dict.fromkeys(MentionId.parse(key).item for key in keys)
    items = [summaries[item] for item in ids if item in summaries]
    days = sorted(item.day for item in items)
    return {
        "n": stamp.n,
        "id": name,
        "into_id": incident.into,
        "title": incident.title or title,
        "named": int(incident.title is not None),
        "status": incident.status,
        "closed_empty": int(incident.auto_closed),
        "labels": json.dumps(incidents.state.labels(keys)),
        "first_report": days[0] if days else "",
        "last_report": days[-1] if days else "",
        "items": len(ids),
        "mentions": len(keys),
        "sources": len({item.source for item in items if item.source}),
        "hosts": _distinct(item.host for item in items),
        "languages": _distinct(item.language for item in items),
        "countries": _distinct(code for item in items for code in item.countries),
        "names": json.dumps(_names(items), ensure_ascii=False),
        "version": incident.version,
        "split_from": incident.split_from,
        "position": stamp.position,
        "opened_ms": stamp.opened_ms,
        "updated_ms": stamp.updated_ms,
        "same_as": json.dumps(incident.same_as),
    }


def _topics(
    topics: Sequence[Topic],
    keys: Sequence[str],
    summaries: Mapping[str, ItemSummary],
    row: Mapping[str, Any],
) -> str:
    """Return the topics of an incident as a JSON array of names."""
    items = {MentionId.parse(key).item for key in keys} & summaries.keys()
    of_items = {topic for item in items for topic in summaries[item].topics}
    is_live = row["into_id"] is None
    return topic_rows.of_incident(
        topics, of_items, row if row["named"] and is_live else None
    )


def _distinct(values: Iterable[str | None]) -> str:
    """Return the values as a JSON array, each once and in order."""
    return json.dumps(sorted({value for value in values if value}))


def _names(items: Sequence[ItemSummary]) -> list[str]:
    """Return the names in the titles of the first items, the most frequent first."""
    titles = [item.title for item in items[:NAMED_ITEMS] if item.title]
    return [name for name, _ in names(titles)]


def _title(
    db: sqlite3.Connection, keys: Sequence[str], summaries: Mapping[str, ItemSummary]
) -> str | None:
    """Return the title of the item that says most clearly what happened.

    That is an item other than a round-up if there is one, then the one with the highest
    score, then the earliest. A round-up's title is followed by the first line of its
    passage here.
    """
    own: dict[str, list[str]] = {}
    for item, mention in map(MentionId.parse, keys):
        own.setdefault(item, []).append(mention)
    known = [summaries[item] for item in own if item in summaries]
    titled = [item for item in known if item.title]
    best = min(
        titled,
        key=lambda item: (item.mentions > 1, -item.score, item.day, item.n),
        default=None,
    )
    if best is None or best.mentions <= len(own[best.id]):
        return best.title if best else None
    passage = db.execute(_FIRST_PASSAGE, (best.n, json.dumps(own[best.id]))).fetchone()
    return f"{best.title}: {lead(passage[1])}" if passage else best.title


def lead(passage: str) -> str:
    """Return the first line of a passage, cut at a word if it is long."""
    lines = (line for line in passage.splitlines() if line.strip())
    first = " ".join(next(lines, "").split())
    if len(first) <= LEAD_CHARS:
        return first
    cut = first[: LEAD_CHARS + 1].rpartition(" ")[0]
    if len(cut) <= LEAD_CHARS // 2:
        cut = first[:LEAD_CHARS]
    return f"{cut}…"


def _summaries(db: sqlite3.Connection, items: Iterable[str]) -> dict[str, ItemSummary]:
    found = db.execute(
        "SELECT id, n, title, COALESCE(host, site), host, language, day, labels, scores, mentions,"
        " (SELECT group_concat(c.country) FROM item_countries c WHERE c.n = items.n),"
        " (SELECT json_group_array(p.topic) FROM item_topics p WHERE p.n = items.n) FROM items"
        " WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(items)),),
    )
    return {row[0]: _summary(row) for row in found}


def _summary(row: Sequence[Any]) -> ItemSummary:
    (
        item,
        n,
        title,
        source,
        host,
        language,
        day,
        labels,
        scores,
        mentions,
        found,
        on,
    ) = row
    by_label = json.loads(scores)
    score = max((by_label.get(label, 0.0) for label in json.loads(labels)), default=0.0)
    return ItemSummary(
        id=item,
        n=n,
        title=title,
        source=source,
        host=host,
        language=language,
        day=day,
        score=score,
        mentions=len(json.loads(mentions)),
        countries=tuple(found.split(",")) if found else (),
        topics=tuple(json.loads(on)),
    )
