"""The tables of incidents hold what a fresh fold of the log says, after any history, live and rebuilt."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidentwire import events as e
from incidentwire.incidents.decisions import NewEvents
from incidentwire.incidents.state import IncidentsState
from incidentwire.labels import MentionId
from incidentwire.log.event_log import EventLog
from services.api.read_model.incident_state import IncidentProjection
from tests.harness import Harness
from tests.incident_steps import STEP, RecordedSteps, incident_tables, take


def expected(state: IncidentsState) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the tables have to say: by id, and by mention key."""
    incidents = {}
    for name, incident in state.by_id.items():
        keys = state.members(name) if incident.into is None else ()
        items = {MentionId.parse(key).item for key in keys}
        labels = json.dumps(state.labels(keys))
        incidents[name] = (
            incident.into,
            incident.status,
            int(incident.auto_closed),
            labels,
            len(items),
            len(keys),
            incident.version,
            incident.split_from,
        )
    members = {
        key: (
            state.where(key),
            link.score,
            int(link.person),
            json.dumps(state.labelled(MentionId.parse(key).item).get(key, ())),
        )
        for key, link in state.links.items()
    }
    return incidents, members


def held(harness: Harness) -> tuple[dict[str, Any], dict[str, Any]]:
    db = sqlite3.connect(harness.settings.read_model)
    try:
        sql = "SELECT id, into_id, status, closed_empty, labels, items, mentions, version, split_from FROM incidents"
        incidents = {row[0]: row[1:] for row in db.execute(sql)}
        sql = (
            "SELECT m.item || '#' || m.mention, i.id, m.score, m.person, m.labels"
            " FROM memberships m JOIN incidents i ON i.n = m.incident"
        )
        return incidents, {row[0]: row[1:] for row in db.execute(sql)}
    finally:
        db.close()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(STEP, max_size=25),
    cuts=st.sets(st.integers(0, 25)),
    restart=st.booleans(),
)
def test_after_any_history_the_tables_are_what_a_fresh_fold_says(
    harness: Harness, steps: list[Any], cuts: set[int], restart: bool
) -> None:
    harness.connection.flushdb()
    harness.log = EventLog(harness.connection)
    written = RecordedSteps(harness.log)
    live = harness.projector()
    for n, step in enumerate(steps):
        take(written, step)
        if n in cuts:
            if restart:
                live = harness.projector()
            live.catch_up()
    live.catch_up()
    assert held(harness) == expected(written.state)
    kept = incident_tables(harness)
    harness.delete_read_model()
    harness.projector().catch_up()
    assert incident_tables(harness) == kept


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=25), cut=st.integers(0, 99))
def test_a_copy_folds_on_to_the_same_and_leaves_the_first_as_it_was(
    harness: Harness, steps: list[Any], cut: int
) -> None:
    harness.connection.flushdb()
    harness.log = EventLog(harness.connection)
    written = RecordedSteps(harness.log)
    for step in steps:
        take(written, step)
    entries = list(harness.log.read())
    whole = IncidentProjection()
    first = IncidentProjection()
    again = IncidentProjection()
    whole.fold(entries)
    first.fold(entries[:cut])
    again.fold(entries[:cut])
    second = first.copy()
    second.fold(entries[cut:])
    assert (second.state, second.stamps) == (whole.state, whole.stamps)
    assert (first.state, first.stamps) == (again.state, again.stamps)
    by_subject = {name: stamp.events for name, stamp in whole.stamps.items()}
    assert by_subject == {name: len(harness.log.history(name)) for name in whole.stamps}


def test_a_batch_that_fails_leaves_no_trace_in_what_is_folded_next(
    harness: Harness,
) -> None:
    harness.log.append("i_a", e.ItemSubmitted(via="t"))
    projector = harness.projector()
    projector.catch_up()
    steps = RecordedSteps(harness.log)
    facts: NewEvents = [("n_a", e.IncidentOpened(item="i_a", mention="m0"))]
    steps.append(*facts)
    harness.log.append("n_lost", e.IncidentRenamed(new="never opened", who="ann"))
    with pytest.raises(KeyError):
        projector.catch_up()
    assert incident_tables(harness)["incidents"] == []
