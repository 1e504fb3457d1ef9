"""Every event of an incident has words, in its history and in what subscribers receive."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from incidentwire import events as e
from incidentwire.log import codec
from incidentwire.log.recorded_event import RecordedEvent
from services.api.incidents.narrative import words
from services.api.subscriptions.facts import EntryFacts, Subject
from services.api.subscriptions.messages import describe

VALUES: dict[str, Any] = {"mentions": ("i_1#m0",)}
TYPES = sorted(n for n, cls in e.TYPES.items() if issubclass(cls, e.IncidentEvent))


def sample(name: str) -> e.Event:
    """Return an event of this type whose required fields have some value."""
    cls = e.TYPES[name]
    needed = [
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING
    ]
    return cls(**{name: VALUES.get(name, name) for name in needed})


@pytest.mark.parametrize("name", TYPES)
def test_every_incident_event_has_words(name: str) -> None:
    event = sample(name)
    entry = RecordedEvent(
        position=1, type=name, subject="n_a", time_ms=0, data=codec.encode(event)
    )
    found = EntryFacts(entry=entry, type=name, subject=Subject(kind="incident", id="n"))
    for result in (words(event, "n_a", {}), describe(found)):
        assert result
        assert name not in result
