"""The app's incidents in memory: now, and as of the moment that a query asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from flask import current_app

from services.api.incidents.state_cache import StateCache
from services.api.read_model.incident_state import IncidentProjection


def state_cache() -> StateCache:
    """Return the state cache of the current app."""
    return cast("StateCache", current_app.extensions["incidentwire.memory"])


def as_of(query: Mapping[str, Any]) -> IncidentProjection | None:
    """Return the incidents as of the query's moment; None for now."""
    moment = query.get("as_of")
    if moment is None:
        return None
    return state_cache().at(state_cache().position_of(moment))
