"""Incidents that curators open before any item reports them. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from incidentwire import events as e
from incidentwire.incidents.decisions import CommandRejected, NewEvents
from incidentwire.incidents.state import ID_CHARS, IncidentsState


def created_id(name: str) -> str:
    """Return the id of an incident opened by hand.

    `name` is the first address of `same_as`, so that an import can be repeated, or else
    any unique text.
    """
    digest = hashlib.sha256(f"created\n{name}".encode()).digest()
    return f"n_{base64.b32encode(digest).decode('ascii').lower()[:ID_CHARS]}"


def create(
    state: IncidentsState,
    incident: str,
    title: str,
    who: str,
    same_as: Sequence[str] = (),
    note: str = "",
) -> NewEvents:
    """Open an incident without items. Raises CommandRejected if the id exists."""
    if incident in state.by_id:
        raise CommandRejected(
            "exists",
            f"The incident {state.resolve(incident)} was opened with this first `same_as`."
            " Change that one, or name another record first.",
        )
    created = e.IncidentCreated(title=title, who=who, same_as=tuple(same_as), note=note)
    return [(incident, created)]
