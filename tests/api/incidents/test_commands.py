"""People decide: every command is an event with who, why and the version seen; stale ones and races lose nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from incidentwire import events as e
from incidentwire.incidents import decisions as decisions
from incidentwire.incidents.decisions import NewEvents
from incidentwire.incidents.state import IncidentsState
from incidentwire.labels import MentionRef
from incidentwire.web.keys import Keys
from services.api.app import create_app
from services.api.errors import CommandConflict
from services.api.incidents import commands
from services.api.incidents.commands import execute
from services.classifier.linker import Linker
from tests.harness import Harness
from tests.newsroom import FAKE, LEAK, Newsroom


@pytest.fixture
def room(harness: Harness) -> Newsroom:
    """Two incidents of two reports each."""
    room = Newsroom(harness)
    for name in "ab":
        room.ids[name] = room.add(f"i_{name}1", (LEAK,))
        room.add(f"i_{name}2", (LEAK,), into=room.ids[name])
    room.grow()
    return room


def last_event(room: Newsroom) -> Any:
    entry = room.log.get(room.log.last())
    assert entry is not None
    return entry.event


def test_status_title_and_notes_say_who_and_why(room: Newsroom) -> None:
    a = room.ids["a"]
    done = room.command(a, "status", status="confirmed", note="two sources", version=0)
    assert (done["id"], done["version"], done["status"]) == (a, 1, "confirmed")
    event = last_event(room)
    assert (event.who, event.note, event.old, event.new) == (
        "ann",
        "two sources",
        "open",
        "confirmed",
    )
    assert (
        room.command(a, "title", title=" Open server ", version=1)["title"]
        == "Open server"
    )
    noted = room.command(a, "notes", note="the regulator was told", version=2)
    assert (noted["version"], noted["position"]) == (3, room.log.last())
    found = room.get(f"/{a}?min_position={noted['position']}")
    assert (found["title"], found["status"], found["version"]) == (
        "Open server",
        "confirmed",
        3,
    )


def test_a_stale_version_is_refused_with_the_current_one(room: Newsroom) -> None:
    a = room.ids["a"]
    b = room.ids["b"]
    room.command(a, "notes", note="first", version=0)
    refused = room.command(a, "status", 409, status="resolved", version=0)
    assert (refused["type"], refused["version"]) == (
        "urn:incidentwire:problem:stale",
        1,
    )
    assert room.command(b, "merge", 409, into=a, into_version=0)["type"].endswith(
        ":stale"
    )
    last = room.log.last()
    assert room.command(a, "status", status="resolved", version=1)["version"] == 2
    assert room.log.last() == last + 1


def test_what_the_linker_does_makes_no_version_stale(room: Newsroom) -> None:
    a = room.ids["a"]
    room.add("i_late", (LEAK,), into=a)
    assert room.command(a, "status", status="confirmed", version=0)["version"] == 1


def test_merge_and_split_are_undone_exactly(room: Newsroom) -> None:
    a = room.ids["a"]
    b = room.ids["b"]
    merged = room.command(a, "merge", into=b, into_version=0)
    assert (merged["id"], merged["version"], merged["other"]) == (b, 1, None)
    assert room.command(a, "unmerge", version=1)["other"] == b
    assert [i["id"] for i in room.get(f"/{a}")["items"]] == ["i_a1", "i_a2"]
    new = room.command(a, "split", mentions=["i_a2#m0"])["other"]
    assert [i["id"] for i in room.get(f"/{new}")["items"]] == ["i_a2"]
    assert room.get(f"/{new}")["split_from"] == a
    assert room.command(new, "unsplit")["id"] == a
    assert [i["id"] for i in room.get(f"/{a}")["items"]] == ["i_a1", "i_a2"]
    assert room.get(f"/{new}")["requested_id"] == new


def test_a_mention_moves_to_another_incident_or_to_one_of_its_own(
    room: Newsroom,
) -> None:
    a = room.ids["a"]
    b = room.ids["b"]
    moved = room.command(
        a, "move", mention="i_a2#m0", to={"id": b, "version": 0}, note="another clinic"
    )
    assert (moved["id"], moved["version"], moved["other"], moved["other_version"]) == (
        a,
        1,
        b,
        1,
    )
    assert [i["id"] for i in room.get(f"/{b}")["items"]] == ["i_a2", "i_b1", "i_b2"]
    assert room.get(f"/{b}")["items"][0]["mentions"][0]["by"] == "person"
    done = room.command(b, "move", mention="i_b2#m0")
    new = done["other"]
    version = done["other_version"]
    assert [i["id"] for i in room.get(f"/{new}")["items"]] == ["i_b2"]
    last = room.command(
        a, "move", mention="i_a1#m0", to={"id": new, "version": version}
    )
    assert (last["status"], room.get(f"/{a}")["closed_empty"]) == ("dismissed", True)


def test_what_cannot_be_done_is_a_problem_with_its_slug(room: Newsroom) -> None:
    a = room.ids["a"]
    b = room.ids["b"]
    for verb, body, status, slug in [
        ("merge", {"into": a, "into_version": 0}, 409, "already-there"),
        ("merge", {"into": "n_none", "into_version": 0}, 404, "not-found"),
        ("unmerge", {}, 409, "not-merged"),
        ("unsplit", {}, 409, "not-split"),
        ("split", {"mentions": ["i_a1#m0", "i_a2#m0"]}, 409, "empty"),
        ("split", {"mentions": ["i_b1#m0"]}, 404, "not-found"),
        (
            "move",
            {"mention": "i_b1#m0", "to": {"id": b, "version": 0}},
            404,
            "not-found",
        ),
        ("move", {"mention": "i_a1#m0", "to": {"id": b, "version": 7}}, 409, "stale"),
        ("status", {"status": "open"}, 409, "already-there"),
        ("status", {"status": "archived"}, 422, "invalid-fields"),
        ("title", {"title": " "}, 422, "invalid-fields"),
        ("notes", {"note": ""}, 422, "invalid-fields"),
        ("move", {"mention": "i_a1#m0", "to": {"id": b}}, 422, "invalid-fields"),
        ("move", {"mention": "i_a1"}, 422, "invalid-fields"),
        ("status", {"status": "open", "version": "0"}, 422, "invalid-fields"),
    ]:
        assert (
            room.command(a, verb, status, **body)["type"]
            == f"urn:incidentwire:problem:{slug}"
        ), (verb, body)
    assert room.command("n_none", "notes", 404, note="x")["type"].endswith(":not-found")
    assert {entry.type for entry in room.log.read(20)} <= {
        "incident.opened",
        "incident.item_linked",
    }


def test_who_may_only_read_decides_nothing(room: Newsroom) -> None:
    answer = room.client.post(
        f"/v1/incidents/{room.ids['a']}/notes",
        json={"note": "x", "version": 0},
        headers=room.harness.reader,
    )
    assert answer.status_code == 403


def test_an_undo_within_a_chain_of_merges_does_not_hinder_the_next_command(
    room: Newsroom,
) -> None:
    a = room.ids["a"]
    b = room.ids["b"]
    c = room.add("i_c1", (FAKE,))
    room.command(a, "merge", into=b, into_version=0)
    room.command(b, "merge", into=c, into_version=0)
    room.command(a, "unmerge")
    assert room.command(c, "notes", note="seen")["id"] == c
    assert [i["id"] for i in room.get(f"/{a}")["items"]] == ["i_a1", "i_a2"]


def test_of_many_who_saw_the_same_version_one_wins(room: Newsroom) -> None:
    """In two processes, so that no lock helps: merges into one incident are events of others."""
    a = room.ids["a"]
    sources = [room.add(f"i_s{n}", (LEAK,)) for n in range(6)]
    apps = [create_app(room.harness.settings, room.harness.connection) for _ in sources]
    start = threading.Barrier(len(sources))
    answers = list[int]()

    def run(n: int) -> None:
        start.wait()
        body = {"into": a, "version": 0, "into_version": 0}
        headers = {"Authorization": f"Bearer {room.key}"}
        answer = (
            apps[n]
            .test_client()
            .post(f"/v1/incidents/{sources[n]}/merge", json=body, headers=headers)
        )
        answers.append(answer.status_code)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(sources))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 409, 409, 409, 409, 409]
    assert room.version(a) == 1


def raced(
    room: Newsroom,
    first: Callable[[], Any],
    incident: str,
    decide: Callable[[IncidentsState], NewEvents],
) -> Any:
    """Return the answer of a process whose command is decided on the state before `first` happens in another process."""
    app = create_app(room.harness.settings, room.harness.connection)
    decided = 0

    def late(state: IncidentsState) -> NewEvents:
        nonlocal decided
        decided += 1
        facts = decide(state)
        if decided == 1:
            first()
        return facts

    with app.test_request_context():
        try:
            return execute(incident, late)
        except CommandConflict as conflict:
            return conflict
        finally:
            assert (
                decided > 1
            )  # what stood when it was decided did not stand when it was to be appended


OVERTAKEN: dict[
    str, Callable[[IncidentsState, dict[str, str]], NewEvents]
] = {  # by the merge of Z into A
    "merge": lambda s, i: decisions.merge(s, i["a"], i["b"], "bob", seen=(0, 0)),
    "merge into": lambda s, i: decisions.merge(s, i["b"], i["a"], "bob", seen=(0, 0)),
    "merge elsewhere": lambda s, i: decisions.merge(
        s, i["z"], i["b"], "bob", seen=(0, 0)
    ),
    "split": lambda s, i: decisions.split(s, i["a"], ["i_a1#m0"], "bob", seen=0),
    "move from": lambda s, i: commands.decide_move(
        s, i["a"], target("i_a1#m0", i["b"]), "bob"
    ),
    "move to": lambda s, i: commands.decide_move(
        s, i["b"], target("i_b1#m0", i["a"]), "bob"
    ),
    "move to one of its own": lambda s, i: commands.decide_move(
        s, i["a"], target("i_a1#m0"), "bob"
    ),
    "status": lambda s, i: decisions.change_status(
        s, i["a"], "confirmed", "bob", seen=0
    ),
    "title": lambda s, i: decisions.rename(s, i["a"], "Open server", "bob", seen=0),
    "note": lambda s, i: decisions.add_note(s, i["a"], "one report", "bob", seen=0),
}


def target(mention: str, to: str = "") -> dict[str, Any]:
    body = {"mention": mention, "version": 0, "note": ""}
    return body | ({"to": {"id": to, "version": 0}} if to else {})


@pytest.mark.parametrize("name", OVERTAKEN)
def test_a_command_that_another_overtook_is_refused_and_may_be_given_on_what_is_there_now(
    room: Newsroom, name: str
) -> None:
    room.ids["z"] = room.add("i_z1", (FAKE,))
    a = room.ids["a"]
    z = room.ids["z"]

    def overtake() -> None:
        room.command(z, "merge", into=a, into_version=0)

    answer = raced(room, overtake, a, lambda state: OVERTAKEN[name](state, room.ids))
    assert isinstance(answer, CommandConflict)
    assert answer.slug == "stale"
    assert isinstance(last_event(room), e.IncidentMerged)
    assert room.state().resolve(z) == a
    assert (
        room.command(a, "status", status="resolved", version=room.version(a))["status"]
        == "resolved"
    )


def test_an_undo_that_another_command_overtook_is_refused(room: Newsroom) -> None:
    a = room.ids["a"]
    b = room.ids["b"]
    new = room.command(a, "split", mentions=["i_a2#m0"])["other"]
    z = room.add("i_z1", (FAKE,))
    seen = room.version(new)
    answer = raced(
        room,
        lambda: room.command(z, "merge", into=new, into_version=seen),
        new,
        lambda state: decisions.unsplit(state, new, "bob", seen=seen),
    )
    assert answer.slug == "stale"
    room.command(new, "merge", into=b, into_version=0)
    seen = room.version(new)
    answer = raced(
        room,
        lambda: room.command(a, "merge", into=b, into_version=seen),
        new,
        lambda state: decisions.unmerge(state, new, "bob", seen=seen),
    )
    assert answer.slug == "stale"
    assert room.state().members(b) == (
        "i_b1#m0",
        "i_b2#m0",
        "i_a2#m0",
        "i_z1#m0",
        "i_a1#m0",
    )


def test_a_command_that_has_nothing_to_do_with_the_one_that_was_faster_is_carried_out(
    room: Newsroom,
) -> None:
    a = room.ids["a"]
    b = room.ids["b"]
    answer = raced(
        room,
        lambda: room.command(b, "notes", note="first"),
        a,
        lambda state: decisions.add_note(state, a, "second", "bob", seen=0),
    )
    assert (answer["id"], answer["version"]) == (a, 1)
    assert last_event(room).note == "second"


def test_linker_and_people_race_and_every_mention_is_in_one_live_incident(
    harness: Harness,
) -> None:
    room = Newsroom(harness)
    a = room.add("i_a", (LEAK,))
    b = room.add("i_b", (LEAK,))
    stop = threading.Event()
    failures: list[BaseException] = []

    def link() -> None:
        linker = Linker(harness.log)
        try:
            while not stop.is_set():
                linker.catch_up()
                linker.settle_all()
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=link) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for n in range(30):
            mention = MentionRef(id="m0", start=0, end=9, labels=(LEAK,))
            harness.log.append(
                f"i_{n}",
                e.ItemSubmitted(via="t"),
                e.ItemClassified(
                    text_digest="d",
                    model="m",
                    scores={},
                    labels=(LEAK,),
                    evidence={},
                    mentions=(mention,),
                ),
            )
            decide(room, a, b, n)
            if n % 5 == 4:
                harness.log.append(f"i_{n}", e.ItemWithdrawn(who="ann"))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    linker = Linker(harness.log)
    linker.catch_up()
    linker.settle_all()
    state = room.state()
    assert state == linker.state
    live = {incident.id: state.members(incident.id) for incident in state.active()}
    for item in state.items:
        for key in state.labelled(item):
            assert [name for name, keys in live.items() if key in keys] == [
                state.where(key)
            ]
    assert len(
        [entry for entry in harness.log.read() if entry.type == "incident.opened"]
    ) == len(
        {
            entry.subject
            for entry in harness.log.read()
            if entry.type == "incident.opened"
        }
    )


def decide(room: Newsroom, a: str, b: str, n: int) -> None:
    """Send a command on the current state; a refusal is as good."""
    state = room.state()
    keys = list(state.links)
    key = keys[n * 7 % len(keys)]
    at = state.where(key) or a
    verb, body = [
        ("move", {"mention": key, "to": {"id": b, "version": state.get(b).version}}),
        ("merge", {"into": b, "into_version": state.get(b).version}),
        ("unmerge", {}),
        ("split", {"mentions": [key]}),
        ("status", {"status": "confirmed"}),
    ][n % 5]
    body["version"] = state.get(at).version  # type: ignore[index]
    answer = room.client.post(f"/v1/incidents/{at}/{verb}", json=body)
    assert answer.status_code in (200, 404, 409), answer.text


def test_keys_without_curate_cannot_command(room: Newsroom) -> None:
    key = Keys(room.harness.connection).create("sub", ["submit"])
    for verb in (
        "status",
        "title",
        "notes",
        "merge",
        "unmerge",
        "split",
        "unsplit",
        "move",
    ):
        answer = room.client.post(
            f"/v1/incidents/{room.ids['a']}/{verb}",
            json={},
            headers={"Authorization": f"Bearer {key}"},
        )
        assert answer.status_code == 403
