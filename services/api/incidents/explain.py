"""Why a mention is in its incident, in words that people can check.

The reasons come from the event that linked it, which holds counts and offsets but no
words. Quotes come from the stored text if it is still the one that was linked.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
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
Translate = Callable[[str], str]  # of a clause with %(names)s


class StoredTexts(NamedTuple):
    """The stored text that an item's labels are of, or None, and its digest.

    `position` is of the item's last event.
    """

    position: int
    digest: str | None
    text: str | None


def explain(
    items: Sequence[dict[str, Any]],
    root: str,
    log: EventLog,
    reader: Reader,
    translate: Translate = str,
) -> None:
    """Set `reasons` and `shared` of every mention of the items of the incident `root`."""
    mentions = [(item["id"], mention) for item in items for mention in item["mentions"]]
    links = log.get_many({mention["linked"] for _, mention in mentions})
    found = [nearest(entry.event) for entry in links.values()]
    titles = reader.read(
        detail_query.titles, sorted({item for item in found if item is not None})
    )
    opened = reader.read(_opened, sorted({entry.subject for entry in links.values()}))
    before = log.get_many(opened.values())
    stored = reader.read(_stored, sorted({item for item, _ in mentions}))
    then = _texts_then(log, mentions, stored)
    for item, mention in mentions:
        mention["reasons"] = []
        mention["shared"] = []
        entry = links.get(mention["linked"])
        if entry is None or not isinstance(entry.event, e.IncidentItemLinked):
            continue
        event = entry.event
        if is_opening(event, before.get(entry.position - 1)):
            here = entry.subject == root
            clause = "opened this incident" if here else "opened %(incident)s"
            mention["reasons"] = [translate(clause) % {"incident": entry.subject}]
        elif mention["by"] == "person" and not event.who:
            clause = translate("split off from %(incident)s by a curator")
            mention["reasons"] = [clause % {"incident": entry.subject}]
        else:
            text = then.get((item, entry.position))
            mention["shared"] = shared(event, text)
            quotes = [part["quote"] for part in mention["shared"] if part["quote"]]
            mention["reasons"] = sentences(event, titles, quotes, translate)


def _texts_then(
    log: EventLog,
    mentions: Sequence[tuple[str, dict[str, Any]]],
    stored: Mapping[str, StoredTexts],
) -> dict[tuple[str, int], str]:
    """Return texts by item and position: as they were then, if still stored."""
    changed = set()  # items with a later text than that of the link
    for item, mention in mentions:
        found = stored.get(item)
        if found and found.position >= mention["linked"]:
            changed.add(item)
    later = sorted(changed)
    histories = dict(zip(later, log.histories(later), strict=True))
    texts = {}
    for item, mention in mentions:
        position = mention["linked"]
        found = stored.get(item)
        text = _text_then(histories.get(item, ()), found, position)
        if text is not None:
            texts[item, position] = text
    return texts


def _text_then(
    history: Sequence[RecordedEvent], stored: StoredTexts | None, position: int
) -> str | None:
    """Return the item's text as of this position, or None if it is not stored now."""
    if stored is None or stored.text is None:
        return None
    if stored.position < position:
        return stored.text
    digests = [
        entry.event.text_digest
        for entry in history
        if entry.position < position and isinstance(entry.event, e.ItemClassified)
    ]
    return stored.text if digests[-1:] == [stored.digest] else None


def _stored(db: sqlite3.Connection, items: Sequence[str]) -> dict[str, StoredTexts]:
    rows = db.execute(
        "SELECT t.id, t.position, t.evidence_digest, CASE WHEN t.evidence_digest = t.text_digest THEN d.text END"
        " FROM items t LEFT JOIN documents d ON d.n = t.n WHERE t.id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(items)),),
    )
    return {item: StoredTexts(*about) for item, *about in rows}


def _opened(db: sqlite3.Connection, incidents: Sequence[str]) -> dict[str, int]:
    """Return the positions of the events that opened these incidents."""
    sql = "SELECT id, n FROM incidents WHERE id IN (SELECT value FROM json_each(?))"
    return dict(db.execute(sql, (json.dumps(list(incidents)),)))


# -- pure ------------------------------------------------------------------------------


def sentences(
    event: e.IncidentItemLinked,
    titles: Titles,
    quotes: Sequence[str] = (),
    translate: Translate = str,
) -> list[str]:
    """Return the reasons for the link, each a clause; `quotes` are of the linked item."""
    if event.who:
        return [translate("placed here by %(who)s") % {"who": event.who}]
    why = event.why
    other = nearest(event)
    called = (
        f"“{titles[other]}”"
        if other and other in titles
        else translate("another report")
    )
    reasons: list[str] = []

    def add(clause: str, what: str = "") -> None:
        name = translate("it") if reasons else called
        reasons.append(translate(clause) % {"name": name, "what": what})

    if why.copy:
        add("the same text as %(name)s")
    if why.retold:
        add("is mainly about the same name as %(name)s")
    counts = [(getattr(why.shared, kind, 0), word) for kind, word in COUNTED]
    amounts = [_count(number, word, translate) for number, word in counts if number]
    if amounts:
        add("shares %(what)s with %(name)s", _listed(amounts, translate))
    if quotes:
        listed = translate(", ").join(f"“{quote}”" for quote in quotes[:QUOTED])
        add("shares the passages %(what)s with %(name)s", listed)
    if why.days is not None:
        apart = {0: "on the same day", 1: "one day apart"}
        clause = apart.get(why.days, "%(days)d days apart")
        reasons.append(translate(clause) % {"days": why.days})
    return reasons


def shared(event: e.IncidentItemLinked, text: str | None) -> list[dict[str, Any]]:
    """Return the shared passages, quoted if the text is there."""
    return [
        {
            "start": start,
            "end": end,
            "quote": " ".join(text[start:end].split()) if text is not None else None,
        }
        for start, end in event.why.spans
    ]


def nearest(event: e.Event) -> str | None:
    """Return the item whose mention was nearest when this one was linked."""
    if isinstance(event, e.IncidentItemLinked) and event.why.nearest is not None:
        return MentionId.parse(event.why.nearest).item
    return None


def is_opening(event: e.IncidentItemLinked, before: RecordedEvent | None) -> bool:
    """Return whether the mention opened the incident: both events are appended together."""
    opened = before.event if before else None
    if not isinstance(opened, e.IncidentOpened):
        return False
    return (opened.item, opened.mention) == (event.item, event.mention)


def _count(number: int, word: str, translate: Translate) -> str:
    plural = "" if number == 1 else "s"
    return translate(f"%(number)d {word}{plural}") % {"number": number}


def _listed(parts: Sequence[str], translate: Translate) -> str:
    if len(parts) == 1:
        return parts[0]
    both = {"some": translate(", ").join(parts[:-1]), "last": parts[-1]}
    return translate("%(some)s and %(last)s") % both
