"""Decisions of linker and curators stand only on the state they were made on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from incidentwire import events as e
from incidentwire.incidents import decisions
from incidentwire.incidents.concurrency import COMMANDS, append_request
from incidentwire.incidents.decisions import NewEvents
from incidentwire.incidents.state import IncidentsState, incident_id
from incidentwire.log.append_request import Appended, VersionConflict
from incidentwire.log.event_log import SUBJECT, EventLog
from tests.incident_steps import LEAK, RecordedSteps

A = incident_id("i_a", "m0")
B = incident_id("i_b", "m0")


class Writer:
    """A process that folds the log and appends what it decides."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.position = 0
        self.state = IncidentsState()
        self.versions: Counter[str] = Counter()

    def catch_up(self) -> None:
        for entry in self.log.read(self.position):
            self.position = entry.position
            self.state.apply(entry.subject, entry.event)
            self.versions[entry.subject] += 1

    def append(self, events: NewEvents) -> object:
        request = append_request(self.state, self.versions.__getitem__, events)
        return self.log.append_many([request])[0]


def withdrawn(item: str, writer: Writer) -> NewEvents:
    """Return what follows once the labels of an item are gone."""
    writer.state.apply(item, e.ItemCorrected(who="ann", labels=()))
    events, _ = decisions.reconcile(writer.state, item)
    assert isinstance(events[0][1], e.IncidentItemUnlinked)
    return events


CURATORS: dict[str, Callable[[IncidentsState], NewEvents]] = {
    "unmerge": lambda state: decisions.unmerge(state, A, "bob"),
    "merge": lambda state: decisions.merge(state, B, incident_id("i_c", "m0"), "bob"),
    "move": lambda state: decisions.move(
        state, "i_a#m0", incident_id("i_c", "m0"), "bob"
    ),
    "split": lambda state: decisions.split(state, B, ["i_a#m0"], "bob"),
}


@pytest.mark.parametrize("command", CURATORS)
def test_the_linker_unlinks_nothing_that_a_curator_moved_meanwhile(
    log: EventLog, command: str
) -> None:
    steps = RecordedSteps(log)
    for name in ("i_a", "i_b", "i_c"):
        steps.classify(name, (LEAK,))
    curator = Writer(log)
    curator.catch_up()
    curator.append(decisions.merge(curator.state, A, B, "bob"))
    curator.catch_up()
    linker = Writer(log)
    linker.catch_up()
    stale = withdrawn("i_a", linker)
    assert isinstance(curator.append(CURATORS[command](curator.state)), Appended)
    assert isinstance(linker.append(stale), VersionConflict)
    linker.catch_up()
    again, _ = decisions.reconcile(linker.state, "i_a")
    assert isinstance(linker.append(again), Appended)
    linker.catch_up()
    assert linker.state.where("i_a#m0") is None


def test_of_two_linkers_with_one_state_the_second_is_refused(log: EventLog) -> None:
    RecordedSteps(log).classify("i_a", (LEAK,))
    linkers = [Writer(log), Writer(log)]
    for linker in linkers:
        linker.catch_up()
    decided = [withdrawn("i_a", linker) for linker in linkers]
    assert isinstance(linkers[0].append(decided[0]), Appended)
    assert isinstance(linkers[1].append(decided[1]), VersionConflict)


def test_the_linker_unlinks_nothing_from_a_split_that_was_undone_meanwhile(
    log: EventLog,
) -> None:
    steps = RecordedSteps(log)
    for name in ("i_a", "i_b"):
        steps.classify(name, (LEAK,))
    curator = Writer(log)
    curator.catch_up()
    curator.append(decisions.merge(curator.state, A, B, "ann"))
    curator.catch_up()
    curator.append(decisions.split(curator.state, B, ["i_b#m0"], "ann"))
    curator.catch_up()
    new = curator.state.where("i_b#m0")
    assert new not in (A, B)
    linker = Writer(log)
    linker.catch_up()
    stale = withdrawn("i_b", linker)
    curator.append(decisions.unsplit(curator.state, str(new), "bob"))
    assert isinstance(linker.append(stale), VersionConflict)


def test_of_two_commands_decided_on_one_state_the_second_is_refused(
    log: EventLog,
) -> None:
    steps = RecordedSteps(log)
    for name in ("i_a", "i_b", "i_c"):
        steps.classify(name, (LEAK,))
    ann = Writer(log)
    bob = Writer(log)
    ann.catch_up()
    bob.catch_up()
    ann.append(decisions.merge(ann.state, A, B, "ann"))
    c = incident_id("i_c", "m0")
    assert isinstance(
        bob.append(decisions.merge(bob.state, c, A, "bob")), VersionConflict
    )
    ann.catch_up()
    assert isinstance(
        ann.append(decisions.add_note(ann.state, c, "n", "ann")), Appended
    )


def test_commands_leave_one_field_however_many_they_are(log: EventLog) -> None:
    steps = RecordedSteps(log)
    steps.classify("i_a", (LEAK,))
    curator = Writer(log)
    for number in range(50):
        curator.catch_up()
        noted = decisions.add_note(curator.state, A, f"note {number}", "ann")
        assert isinstance(curator.append(noted), Appended)
    held = log.connection.hgetall(SUBJECT + COMMANDS)
    assert held == {b"fence": b"50"}


# -- long chains of merges


def chain(length: int) -> IncidentsState:
    """Incidents n_0 … n_<length>, each merged into the next."""
    state = IncidentsState()
    for number in range(length + 1):
        name = f"n_{number}"
        item = f"i_{number}"
        state.apply(name, e.IncidentOpened(item=item, mention="m0"))
        state.apply(name, e.IncidentItemLinked(item=item, mention="m0"))
    for number in range(length):
        merged = e.IncidentMerged(into=f"n_{number + 1}", who="ann")
        state.apply(f"n_{number}", merged)
    return state


def test_a_chain_of_a_thousand_merges_is_read_and_changed() -> None:
    length = 1_000
    state = chain(length)
    last = f"n_{length}"
    assert state.resolve("n_0") == last
    assert len(state.members(last)) == length + 1
    assert next(iter(state.tree(last))) == last
    state.apply("n_500", e.IncidentUnmerged(into="n_501", who="ann"))
    assert state.resolve("n_0") == "n_500"
    assert state.resolve("n_501") == last
    assert len(state.members("n_500")) == 501
    assert len(state.members(last)) == length - 500


def test_states_are_equal_whatever_was_read_of_them() -> None:
    read = chain(20)
    other = chain(20)
    for number in range(20):
        read.resolve(f"n_{number}")
    assert read == other
    copied = read.copy()
    copied.apply("n_3", e.IncidentUnmerged(into="n_4", who="ann"))
    assert copied != read
    assert read == other
