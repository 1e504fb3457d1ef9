"""An incident's events in sentences that people can read. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from incidentwire import events as e
from incidentwire.log.cloudevents import rfc3339
from incidentwire.log.recorded_event import RecordedEvent
from services.api.incidents import explain

Titles = Mapping[str, str]
Translate = Callable[[str], str]  # of a sentence with %(names)s


def line(
    entry: RecordedEvent,
    titles: Titles,
    before: RecordedEvent | None = None,
    translate: Translate = str,
) -> dict[str, Any]:
    """Return one line of a history.

    `before` is the event at the position before, if it is of this history too.
    """
    event = entry.event
    text = words(event, entry.subject, titles, translate)
    if isinstance(event, e.IncidentItemLinked) and not event.who:
        is_opening = explain.is_opening(event, before)
        reasons = (
            [] if is_opening else explain.sentences(event, titles, translate=translate)
        )
        why = translate(", ").join(reasons)
        text = translate(": ").join(filter(None, (text, why)))
    return {
        "position": entry.position,
        "time": rfc3339(entry.time_ms),
        "type": event.type,
        "who": getattr(event, "who", None),
        "text": text,
        "note": getattr(event, "note", "") or None,
        "subject": entry.subject,
    }


def words(
    event: e.Event, subject: str, titles: Titles, translate: Translate = str
) -> str:
    """Return what an event says, as a clause."""
    about = {name: getattr(event, name, "") for name in _FIELDS}
    about |= {
        "item": called(about["item"], titles),
        "subject": subject,
        "score": f"{getattr(event, 'score', 0):.2f}",
        "count": len(getattr(event, "mentions", ())),
    }
    if isinstance(event, e.IncidentStatusChanged):
        about |= {"old": translate(event.old), "new": translate(event.new)}
    return translate(_clause(event)) % about


_FIELDS = ("item", "into", "title", "reason", "old", "new", "note", "type")


def _clause(event: e.Event) -> str:
    """Return the clause of an event with %(names)s of what it is about."""
    match event:
        case e.IncidentOpened():
            return "opened by %(item)s"
        case e.IncidentCreated():
            return "opened by hand as “%(title)s”"
        case e.IncidentItemLinked():
            return _linked(event)
        case e.IncidentItemUnlinked():
            return "%(item)s left: %(reason)s"
        case e.IncidentMerged():
            return "%(subject)s was merged into %(into)s"
        case e.IncidentUnmerged():
            return "the merge of %(subject)s into %(into)s was undone"
        case e.IncidentSplit():
            return _split(event)
        case e.IncidentStatusChanged():
            return "status changed from %(old)s to %(new)s"
        case e.IncidentRenamed():
            before = ", formerly “%(old)s”" if event.old else ""
            return f"renamed “%(new)s”{before}"
        case e.IncidentNoted():
            return "noted: %(note)s"
        case _:
            return "%(type)s"


def _linked(event: e.IncidentItemLinked) -> str:
    doubt = " and needs review" if event.review else ""
    how = "placed here" if event.who else "linked with score %(score)s"
    return f"%(item)s was {how}{doubt}"


def _split(event: e.IncidentSplit) -> str:
    mentions = "1 mention" if len(event.mentions) == 1 else "%(count)d mentions"
    if event.undone:
        return (
            f"the split of %(into)s from %(subject)s was undone: {mentions} went back"
        )
    return f"{mentions} left %(subject)s for the new incident %(into)s"


def called(item: str, titles: Titles) -> str:
    return f"“{titles[item]}”" if item in titles else item
