"""Why a mention is where it is, in words that people can check: from the event that linked it, whose `why` holds counts
and offsets and no words. Quotes come from the kept text, where that is still the one that was linked."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from incidentwire import events as e
from incidentwire.labels import MentionId
from incidentwire.log.event_log import EventLog
from incidentwire.log.recorded_event import RecordedEvent
from services.api.incidents import detail_query
from services.api.read_model.reader import Reader

COUNTED = (
    ("names", "name"),
    ("terms", "word"),
    ("amounts", "amount"),
    ("dates", "date"),
)  # in `shared` -> in words
QUOTED = 4  # in a sentence; all are in `shared`

Titles = Mapping[str, str]


class StoredTexts(NamedTuple):
    """What is kept of an item now: the text that its labels speak of, None where there is none, and its digest.
    `position` is of the item's last event."""

    position: int
    digest: str | None
    text: str | None


def explain(
    items: Sequence[dict[str, Any]], root: str, log: EventLog, reader: Reader
) -> None:
    """Give every mention of the items that the incident `root` shows its `reasons` and `shared`."""
    mentions = [(item["id"], mention) for item in items for mention in item["mentions"]]
    links = {
        mention["linked"]: entry
        for _, mention in mentions
        if (entry := log.get(mention["linked"])) is not None
    }
    titles = reader.read(
        detail_query.titles,
        sorted({item for x in links.values() if (item := nearest(x.event))}),
    )
    kept = reader.read(_kept, sorted({item for item, _ in mentions}))
    opened = reader.read(_opened, sorted({entry.subject for entry in links.values()}))
    for item, mention in mentions:
        mention["reasons"], mention["shared"] = [], []
        entry = links.get(mention["linked"])
        if entry is None or not isinstance(event := entry.event, e.IncidentItemLinked):
            continue
        before = (
            log.get(entry.position - 1)
            if opened.get(entry.subject) == entry.position - 1
            else None
        )
        if is_opening(event, before):
            mention["reasons"] = [
                f"opened {'this incident' if entry.subject == root else entry.subject}"
            ]
        elif mention["by"] == "person" and not event.who:
            mention["reasons"] = [f"people split it off from {entry.subject}"]
        else:
            mention["shared"] = shared(
                event, _text_then(log, item, kept.get(item), entry.position)
            )
            quotes = [
                passage["quote"] for passage in mention["shared"] if passage["quote"]
            ]
            mention["reasons"] = sentences(event, titles, quotes)


def _text_then(
    log: EventLog, item: str, kept: StoredTexts | None, position: int
) -> str | None:
    """The item's text as it was at this position; None where another one, or none, is kept now."""
    if kept is None or kept.text is None:
        return None
    if kept.position < position:
        return kept.text
    judged = [entry.event for entry in log.history(item) if entry.position < position]
    digests = [
        event.text_digest for event in judged if isinstance(event, e.ItemClassified)
    ]
    return kept.text if digests[-1:] == [kept.digest] else None


def _kept(db: sqlite3.Connection, items: Sequence[str]) -> dict[str, StoredTexts]:
    rows = db.execute(
        "SELECT t.id, t.position, t.evidence_digest, CASE WHEN t.evidence_digest = t.text_digest THEN d.text END"
        " FROM items t LEFT JOIN documents d ON d.n = t.n WHERE t.id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(items)),),
    )
    return {item: StoredTexts(*about) for item, *about in rows}


def _opened(db: sqlite3.Connection, incidents: Sequence[str]) -> dict[str, int]:
    """The positions of the events that made these incidents."""
    sql = "SELECT id, n FROM incidents WHERE id IN (SELECT value FROM json_each(?))"
    return dict(db.execute(sql, (json.dumps(list(incidents)),)))


# -- pure ----------------------------------------------------------------------------------------------------------


def sentences(
    event: e.IncidentItemLinked, titles: Titles, quotes: Sequence[str] = ()
) -> list[str]:
    """What speaks for the link, each a sentence without its full stop. `quotes` are of the linked item."""
    if event.who:
        return [f"put here by {event.who}"]
    why = event.why
    other = nearest(event)
    called = (
        f"“{titles[other]}”"
        if other is not None and other in titles
        else "another report"
    )
    said: list[str] = []

    def name() -> str:
        return "it" if said else called

    if why.copy:
        said.append(f"the same text as {name()}")
    if why.retold:
        said.append(f"speaks above all of the name that {name()} speaks of")
    counts = [(getattr(why.shared, kind, 0), word) for kind, word in COUNTED]
    if amounts := [_count(number, word) for number, word in counts if number]:
        said.append(f"shares {_listed(amounts)} with {name()}")
    if quotes:
        said.append(
            f"says {', '.join(f'“{quote}”' for quote in quotes[:QUOTED])} as {name()} does"
        )
    if why.days is not None:
        apart = {0: "on the same day", 1: "one day apart"}
        said.append(apart.get(why.days, f"{why.days} days apart"))
    return said


def shared(event: e.IncidentItemLinked, text: str | None) -> list[dict[str, Any]]:
    """The passages of `why`, quoted where the text is there."""
    return [
        {
            "start": start,
            "end": end,
            "quote": " ".join(text[start:end].split()) if text is not None else None,
        }
        for start, end in event.why.spans
    ]


def nearest(event: e.Event) -> str | None:
    """The item whose mention was the nearest when this one was linked."""
    if isinstance(event, e.IncidentItemLinked) and event.why.nearest is not None:
        return MentionId.parse(event.why.nearest).item
    return None


def is_opening(event: e.IncidentItemLinked, before: RecordedEvent | None) -> bool:
    """True where the mention came to the incident that it opened: the two events are appended together."""
    opened = before.event if before else None
    return isinstance(opened, e.IncidentOpened) and (opened.item, opened.mention) == (
        event.item,
        event.mention,
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
