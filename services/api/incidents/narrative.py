"""An incident's events in sentences that people can read. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from incidentwire import events as e
from incidentwire.log.cloudevents import rfc3339
from incidentwire.log.recorded_event import RecordedEvent
from services.api.incidents import explain

Titles = Mapping[str, str]


def line(
    entry: RecordedEvent, titles: Titles, before: RecordedEvent | None = None
) -> dict[str, Any]:
    """Return one line of a history.

    `before` is the event at the position before, if it is of this history too.
    """
    event = entry.event
    text = words(event, entry.subject, titles)
    if isinstance(event, e.IncidentItemLinked) and not event.who:
        is_opening = explain.is_opening(event, before)
        reasons = [] if is_opening else explain.sentences(event, titles)
        text = ": ".join(filter(None, (text, ", ".join(reasons))))
    return {
        "position": entry.position,
        "time": rfc3339(entry.time_ms),
        "type": event.type,
        "who": getattr(event, "who", None),
        "text": text,
        "note": getattr(event, "note", "") or None,
        "subject": entry.subject,
    }


def words(event: e.Event, subject: str, titles: Titles) -> str:
    """Return what an event says, as a clause."""
    match event:
        case e.IncidentOpened():
            return f"opened by {called(event.item, titles)}"
        case e.IncidentCreated():
            return f"opened by hand as “{event.title}”"
        case e.IncidentItemLinked():
            doubt = " and needs review" if event.review else ""
            how = "placed here" if event.who else f"linked with score {event.score:.2f}"
            return f"{called(event.item, titles)} was {how}{doubt}"
        case e.IncidentItemUnlinked():
            return f"{called(event.item, titles)} left: {event.reason}"
        case e.IncidentMerged():
            return f"{subject} was merged into {event.into}"
        case e.IncidentUnmerged():
            return f"the merge of {subject} into {event.into} was undone"
        case e.IncidentSplit(undone=True):
            return f"the split of {event.into} from {subject} was undone: {_count(event.mentions)} went back"
        case e.IncidentSplit():
            return f"{_count(event.mentions)} left {subject} for the new incident {event.into}"
        case e.IncidentStatusChanged():
            return f"status changed from {event.old} to {event.new}"
        case e.IncidentRenamed():
            return _renamed(event)
        case e.IncidentNoted():
            return f"noted: {event.note}"
        case _:
            return event.type


def _renamed(event: e.IncidentRenamed) -> str:
    before = f", formerly “{event.old}”" if event.old else ""
    return f"renamed “{event.new}”{before}"


def called(item: str, titles: Titles) -> str:
    return f"“{titles[item]}”" if item in titles else item


def _count(mentions: Sequence[str]) -> str:
    return "1 mention" if len(mentions) == 1 else f"{len(mentions)} mentions"
