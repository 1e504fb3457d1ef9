from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incidentwire import events as e
from incidentwire.incidents import decisions as decisions
from incidentwire.incidents.decisions import CommandRejected, NewEvents
from incidentwire.incidents.state import IncidentsState, incident_id
from tests.incident_steps import FAKE, LAW, LEAK, STEP, Steps, take


@pytest.fixture
def log() -> Steps:
    """Two incidents: `a` with the reports a1 a2, `b` with b1 b2."""
    made = Steps()
    for name in "ab":
        made.classify(f"{name}1", (LEAK,))
        made.join(f"{name}2", incident_id(f"{name}1", "m0"))
    return made


A = incident_id("a1", "m0")
B = incident_id("b1", "m0")


def shape(state: IncidentsState) -> object:
    """All that a reader can see, without versions and what the linker learned."""
    return {
        i: (state.resolve(i), state.members(i), x.status, x.title)
        for i, x in state.by_id.items()
    }


def test_an_incident_opens_with_its_first_mention_and_the_next_report_joins(
    log: Steps,
) -> None:
    assert log.state.members(A) == ("a1#m0", "a2#m0")
    assert log.state.where("a2#m0") == A
    assert log.state.by_id[A].status == "open"
    assert A.startswith("n_")
    assert len(A) == 22


def test_placing_a_mention_twice_changes_nothing(log: Steps) -> None:
    assert decisions.assign(log.state, "a1", "m0", None) == []
    assert decisions.assign(log.state, "a1", "m9", None) == []


def test_the_items_of_a_round_up_go_to_different_incidents(log: Steps) -> None:
    log.classify("week", (LEAK,), (), (FAKE, LAW))
    first = log.state.where("week#m0")
    third = log.state.where("week#m2")
    assert first != third
    assert log.state.where("week#m1") is None
    assert log.state.labels(log.state.members(str(third))) == (FAKE, LAW)


def test_a_merged_id_redirects_and_after_the_undo_is_itself_again(log: Steps) -> None:
    before = shape(log.state)
    log.append(*decisions.merge(log.state, A, B, "ann"))
    assert log.state.resolve(A) == B
    assert log.state.members(B) == ("b1#m0", "b2#m0", "a1#m0", "a2#m0")
    assert [x.id for x in log.state.active()] == [B]
    log.append(*decisions.unmerge(log.state, A, "ann"))
    assert shape(log.state) == before
    assert B in log.state.cannot_link_for("a1#m0")
    assert A in log.state.cannot_link_for("b2#m0")


def test_what_joined_after_a_merge_stays_where_it_joined(log: Steps) -> None:
    log.append(*decisions.merge(log.state, A, B, "ann"))
    log.join("late", A)
    assert log.state.where("late#m0") == B
    log.append(*decisions.unmerge(log.state, A, "ann"))
    assert log.state.where("late#m0") == B


def test_mentions_split_off_are_an_incident_of_their_own_until_the_undo(
    log: Steps,
) -> None:
    log.append(*decisions.merge(log.state, A, B, "ann"))
    before = shape(log.state)
    (_, fact), *_ = log_split = decisions.split(log.state, B, ["a2#m0", "b1#m0"], "ann")
    log.append(*log_split)
    assert isinstance(fact, e.IncidentSplit)
    new = fact.into
    assert log.state.members(new) == ("a2#m0", "b1#m0")
    assert B in log.state.cannot_link_for("a2#m0")
    assert new in log.state.cannot_link_for("a1#m0")
    log.append(*decisions.unsplit(log.state, new, "ann"))
    after = shape(log.state)
    assert isinstance(after, dict)
    assert isinstance(before, dict)
    assert after.pop(new)[0] == B
    assert after == before
    assert log.state.cannot_link_for("a2#m0") == frozenset()


def test_the_linker_does_not_put_back_what_people_moved_out(log: Steps) -> None:
    log.append(*decisions.move(log.state, "a2#m0", B, "ann", "another clinic"))
    assert log.state.where("a2#m0") == B
    assert log.state.cannot_link_for("a2#m0") == {A}
    log.classify(
        "a2", ()
    )  # the model finds nothing any more: what a person placed stays
    assert log.state.where("a2#m0") == B
    log.append(*decisions.move(log.state, "a2#m0", A, "bob"))
    assert A not in log.state.cannot_link_for("a2#m0")


def test_an_incident_left_without_items_is_closed_and_opens_again_with_the_next(
    log: Steps,
) -> None:
    for item in ("a1", "a2"):
        log.append((item, e.ItemWithdrawn(who="ann")))
        log.settle(item)
    closed = log.facts[-1][1]
    assert isinstance(closed, e.IncidentStatusChanged)
    assert (closed.new, closed.note, closed.who) == (
        "dismissed",
        decisions.LEFT_EMPTY,
        None,
    )
    assert log.state.resolve(A) == A
    log.append(*decisions.move(log.state, "b2#m0", A, "ann"))
    assert log.state.by_id[A].status == "open"


def test_peoples_labels_stand_over_the_models(log: Steps) -> None:
    log.classify("week", (LEAK,), (FAKE,))
    log.correct("week", LAW, FAKE)
    assert log.state.labelled("week") == {"week#m0": (LAW,), "week#m1": (FAKE,)}
    log.correct("week")
    assert log.state.labelled("week") == {}
    assert log.state.where("week#m0") is None
    log.correct("week", withdrawn=True)
    assert log.state.labelled("week") == {"week#m0": (LEAK,), "week#m1": (FAKE,)}
    assert log.state.where("week#m1") is not None
    log.correct("never classified", LEAK)
    assert log.state.labelled("never classified") == {"never classified#m0": (LEAK,)}


def test_events_carry_the_labels_before_and_after(log: Steps) -> None:
    log.classify("fake", (FAKE,))
    other = str(log.state.where("fake#m0"))
    ((_, merged),) = decisions.merge(log.state, other, A, "ann")
    assert isinstance(merged, e.IncidentMerged)
    assert (merged.labels_before, merged.labels) == ((LEAK,), (LEAK, FAKE))
    unlinked = decisions.move(log.state, "fake#m0", A, "ann")[0][1]
    assert isinstance(unlinked, e.IncidentItemUnlinked)
    assert (unlinked.labels_before, unlinked.labels) == ((FAKE,), ())


def test_only_what_people_did_makes_a_version_stale(log: Steps) -> None:
    log.join("a3", A)
    assert decisions.rename(log.state, A, "Open server", "ann", seen=0)
    log.append(*decisions.rename(log.state, A, " Open server ", "ann", seen=0))
    assert log.state.by_id[A].title == "Open server"
    with pytest.raises(CommandRejected, match="Load it again") as refusal:
        decisions.change_status(log.state, A, "confirmed", "bob", seen=0)
    assert refusal.value.reason == "stale"
    log.append(*decisions.change_status(log.state, A, "confirmed", "bob", seen=1))
    log.append(*decisions.add_note(log.state, A, "seen by two papers", "bob", seen=2))
    log.append(*decisions.merge(log.state, A, B, "bob", seen=(3, 0)))
    assert (log.state.by_id[A].version, log.state.by_id[B].version) == (4, 4)


def test_an_undo_within_a_chain_makes_stale_what_was_seen_of_its_end(
    log: Steps,
) -> None:
    log.classify("c1", (LEAK,))
    c = incident_id("c1", "m0")
    log.append(*decisions.merge(log.state, A, B, "ann"))
    log.append(*decisions.merge(log.state, B, c, "ann"))
    seen = log.state.get(c).version
    log.append(*decisions.unmerge(log.state, A, "ann", seen=seen))
    assert log.state.members(c) == ("c1#m0", "b1#m0", "b2#m0")
    with pytest.raises(CommandRejected, match="Load it again"):
        decisions.change_status(log.state, c, "resolved", "bob", seen=seen)


def test_mentions_that_go_back_where_they_were_make_stale_what_was_seen_there(
    log: Steps,
) -> None:
    log.append(*decisions.merge(log.state, A, B, "ann"))
    ((_, split),) = decisions.split(log.state, B, ["a2#m0"], "ann")
    log.append((B, split))
    log.append(*decisions.unmerge(log.state, A, "ann"))
    seen = log.state.get(A).version
    log.append(*decisions.unsplit(log.state, str(vars(split)["into"]), "ann"))
    assert log.state.members(A) == ("a1#m0", "a2#m0")
    with pytest.raises(CommandRejected, match="Load it again"):
        decisions.add_note(log.state, A, "one report only", "bob", seen=seen)


def test_a_version_seen_under_an_id_does_not_fit_the_incident_that_it_redirects_to_later(
    log: Steps,
) -> None:
    log.append(*decisions.add_note(log.state, A, "looked into", "ann"))
    seen = log.state.get(A).version
    log.append(*decisions.merge(log.state, A, B, "ann"))
    with pytest.raises(CommandRejected, match="Load it again"):
        decisions.change_status(log.state, A, "dismissed", "bob", seen=seen)


REFUSALS: dict[str, Callable[[IncidentsState], NewEvents]] = {
    "not_found": lambda s: decisions.rename(s, "n_unknown", "title", "ann"),
    "already_there": lambda s: decisions.merge(s, A, A, "ann"),
    "not_merged": lambda s: decisions.unmerge(s, A, "ann"),
    "not_split": lambda s: decisions.unsplit(s, A, "ann"),
    "empty": lambda s: decisions.split(s, A, ["a1#m0", "a2#m0"], "ann"),
    "bad_status": lambda s: decisions.change_status(s, A, "archived", "ann"),
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_what_cannot_be_done_is_refused_with_a_reason(log: Steps, reason: str) -> None:
    with pytest.raises(CommandRejected) as refusal:
        REFUSALS[reason](log.state)
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    "command",
    [
        lambda s: decisions.move(s, "a1#m0", A, "ann"),
        lambda s: decisions.move(s, "nobody#m0", A, "ann"),
        lambda s: decisions.split(s, A, ["b1#m0"], "ann"),
        lambda s: decisions.split(s, A, [], "ann"),
        lambda s: decisions.change_status(s, A, "open", "ann"),
        lambda s: decisions.rename(s, A, " ", "ann"),
        lambda s: decisions.add_note(s, A, "", "ann"),
    ],
)
def test_senseless_commands_are_refused(
    log: Steps, command: Callable[[IncidentsState], NewEvents]
) -> None:
    with pytest.raises(CommandRejected):
        command(log.state)


def test_a_log_that_redirects_in_a_circle_is_refused_loudly(log: Steps) -> None:
    log.append(*decisions.merge(log.state, A, B, "ann"))
    with pytest.raises(ValueError, match="damaged"):
        log.state.apply(B, e.IncidentMerged(into=A, who="ann"))


# -- any sequence of link, move, merge, split and undo


def check(state: IncidentsState) -> None:
    live = {incident.id: state.members(incident.id) for incident in state.active()}
    for item in state.items:
        for key in state.labelled(item):
            assert [i for i, members in live.items() if key in members] == [
                state.where(key)
            ]
    assert sorted(key for members in live.values() for key in members) == sorted(
        state.links
    )
    for incident in state.by_id:
        assert state.by_id[state.resolve(incident)].into is None
    for key in state.links:
        assert state.where(key) in live
    for name, members in live.items():
        assert (
            members
            or state.by_id[name].status == "dismissed"
            or state.by_id[name].version
        )


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=30))
def test_any_sequence_keeps_every_labelled_mention_in_one_live_incident(
    steps: list[tuple[str, int, int]],
) -> None:
    log = Steps()
    known: set[str] = set()
    for step in steps:
        take(log, step)
        check(log.state)
        assert known <= log.state.by_id.keys()
        known |= log.state.by_id.keys()
    again = IncidentsState()
    for subject, event in log.facts:
        again.apply(subject, event)
    assert again == log.state


def shown(state: IncidentsState) -> dict[str, object]:
    """Return what is shown under each id."""
    return {
        i: (state.resolve(i), state.members(state.resolve(i)), state.get(i).status)
        for i in state.by_id
    }


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, min_size=15, max_size=40))
def test_what_people_change_under_an_id_gets_a_version_that_nobody_saw_there(
    steps: list[tuple[str, int, int]],
) -> None:
    log = Steps()
    highest: dict[str, int] = {}
    for step in (("link", 0, 0), ("link", 1, 0), ("link", 2, 0), *steps):
        before = shown(log.state)
        take(log, step)
        by_people = step[0] not in ("link", "relabel", "withdraw")
        for name, shows in shown(log.state).items():
            version = log.state.get(name).version
            if by_people and name in before and before[name] != shows:
                assert version > highest[name], (step, name)
            highest[name] = max(version, highest.get(name, 0))


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=20), st.integers(0, 99), st.integers(0, 99))
def test_after_any_history_undo_of_a_merge_or_a_split_is_exact(
    steps: list[tuple[str, int, int]], n: int, m: int
) -> None:
    log = Steps()
    for step in (("link", 0, 0), ("link", 1, 0), *steps):
        take(log, step)
    before = copy.deepcopy(log.state)
    live = [x.id for x in log.state.active() if log.state.members(x.id)]
    if len(live) > 1 and live[n % len(live)] != live[m % len(live)]:
        source = live[n % len(live)]
        log.append(*decisions.merge(log.state, source, live[m % len(live)], "ann"))
        log.append(*decisions.unmerge(log.state, source, "ann"))
        assert shape(log.state) == shape(before)
    for incident in live:
        members = log.state.members(incident)
        if len(members) > 1:
            facts = decisions.split(log.state, incident, members[:1], "ann")
            log.append(*facts)
            new = str(vars(facts[0][1])["into"])
            log.append(*decisions.unsplit(log.state, new, "ann"))
            after = shape(log.state)
            assert isinstance(after, dict)
            assert {i: seen for i, seen in after.items() if i in before.by_id} == shape(
                before
            )
            assert log.state.resolve(new) == incident
            break
