"""Append what a curator decided about a subject, on its newest event."""

from __future__ import annotations

from collections.abc import Callable

from incidentwire.events import Event
from incidentwire.log.event_log import EventLog, VersionConflict
from services.api.errors import Busy

TRIES = 5  # each failure means that somebody else decided about the same subject


def append_next(
    log: EventLog,
    subject: str,
    next_event: Callable[[Event | None], Event],
    about: str,
) -> int:
    """Append what follows from a subject's last event; return its position.

    Decides again if somebody else was faster. Raises Busy, which names `about`, after five
    lost races, and what `next_event` raises.
    """
    for _ in range(TRIES):
        history = log.history(subject)
        event = next_event(history[-1].event if history else None)
        try:
            versions = {subject: len(history)}
            return log.append(subject, event, expected_versions=versions).last
        except VersionConflict:
            continue
    raise Busy(about)
