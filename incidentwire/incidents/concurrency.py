"""Optimistic concurrency of linker and curators: who loses reads and decides again. Pure."""

from __future__ import annotations

from collections.abc import Callable

from incidentwire import events as e
from incidentwire.incidents.decisions import NewEvents
from incidentwire.incidents.state import IncidentsState
from incidentwire.log.append_request import AppendRequest, Fence

COMMANDS = "people"  # no incident has this id: it holds the fence of curator commands


def append_request(
    state: IncidentsState, version_of: Callable[[str], int], events: NewEvents
) -> AppendRequest:
    """Return the request that appends decided events if nothing relevant changed.

    `version_of` returns the number of events of an incident: it detects what the linker did. A
    merge or a split is recorded under one incident only, so versions cannot detect every
    change by curators: all commands share one fence, which counts them.
    """
    concerned = {subject for subject, _ in events}
    for _, event in events:
        concerned |= _named(state, event)
    concerned |= {state.resolve(name) for name in concerned if name in state.by_id}
    commands = sum(isinstance(x, e.IncidentEvent) and x.by_person for _, x in events)
    return AppendRequest(
        events=events,
        expected_versions={name: version_of(name) for name in sorted(concerned)},
        fence=Fence(
            subject=COMMANDS,
            expected=state.commands,
            next=state.commands + commands,
        ),
    )


def _named(state: IncidentsState, event: e.Event) -> set[str]:
    """Return the incidents that an event names beside its subject, or takes mentions
    from."""
    match event:
        case e.IncidentMerged() | e.IncidentUnmerged():
            return {event.into}
        case e.IncidentSplit():
            return {event.into} | state.owners(event.mentions)
        case _:
            return set()
