"""Time travel: as it was known then, what happened since, and that the end of it is now."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidentwire import events as e
from incidentwire.log.cloudevents import rfc3339
from incidentwire.log.event_log import LOG_ID, EventLog
from tests.harness import Harness
from tests.incident_steps import STEP, RecordedSteps, take
from tests.newsroom import FAKE, LEAK, Newsroom


@pytest.fixture
def room(harness: Harness) -> Newsroom:
    room = Newsroom(harness)
    room.ids["a"] = room.add("i_a1", (LEAK,), title="Records lay open")
    room.ids["b"] = room.add("i_b1", (FAKE,), title="A cloned voice")
    room.grow()
    return room


def at(room: Newsroom, incident: str, position: Any) -> Any:
    return room.get(f"/{incident}?as_of={position}")


def test_an_incident_is_shown_as_it_was_known_then(room: Newsroom) -> None:
    a = room.ids["a"]
    b = room.ids["b"]
    start = room.log.last()
    renamed = room.command(a, "title", title="Open server")["position"]
    merged = room.command(a, "merge", into=b, into_version=0)["position"]
    assert (at(room, a, start)["title"], at(room, a, start)["version"]) == (
        "Records lay open",
        0,
    )
    assert at(room, a, renamed)["title"] == "Open server"
    assert at(room, a, merged)["requested_id"] == a
    assert at(room, b, renamed)["item_count"] == 1
    assert room.list(f"as_of={renamed}") == [b, a]
    assert room.list(f"as_of={merged}") == [b]
    assert room.list("as_of=0") == []
    assert room.get(f"/{a}?as_of=1", 404)["type"].endswith(":unknown-incident")
    assert room.get(f"/{a}?as_of={merged + 1}", 409)["type"].endswith(":position-ahead")


def test_a_moment_may_be_a_time(room: Newsroom) -> None:
    a = room.ids["a"]
    entry = room.log.get(room.log.last())
    assert entry is not None
    moment = rfc3339(entry.time_ms)
    assert at(room, a, moment)["as_of"] == room.log.last()
    assert room.get(f"/{a}?as_of=2001-01-01T00:00:00Z", 404)["status"] == 404
    assert at(room, a, "2999-01-01T00:00:00+02:00")["title"] == "Records lay open"
    assert room.list("as_of=2001-01-01T00:00:00-05:00") == []


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=25), cut=st.integers(0, 100))
def test_as_of_the_end_equals_now_and_an_earlier_moment_what_was_shown_then(
    harness: Harness, steps: list[Any], cut: int
) -> None:
    harness.connection.flushdb()
    room = Newsroom(harness)
    room.log = harness.log = EventLog(harness.connection)
    written = RecordedSteps(harness.log)
    seen: dict[int, Any] = {}
    for n, step in enumerate(steps):
        take(written, step)
        if n == cut % (len(steps) or 1):
            room.grow()
            seen[room.log.last()] = everything(room, "")
    room.grow()
    seen[room.log.last()] = everything(room, "")
    for position, shown in seen.items():
        assert everything(room, f"as_of={position}") == shown


def everything(room: Newsroom, query: str) -> Any:
    """All that is shown, but for what is always of now: the texts of items."""
    page = room.get(f"?limit=200&sort=updated&{query}")
    ids = room.state().by_id
    single = {
        name: room.client.get(f"/v1/incidents/{name}?{query}").get_json()
        for name in sorted(ids)
    }
    for found in single.values():
        for item in found.get("items", ()):
            item["mentions"] = [
                (m["key"], m["labels"], m["score"], m["by"]) for m in item["mentions"]
            ]
            item.pop("state")
        found.pop("detail", None)
    return page, {
        name: found for name, found in single.items() if found.get("status") != 404
    }


def test_the_history_reads_as_lines_and_as_events(room: Newsroom) -> None:
    a = room.ids["a"]
    b = room.ids["b"]
    room.command(b, "status", status="confirmed", note="heard it")
    room.command(b, "merge", into=a, into_version=0, note="the same call")
    room.command(a, "title", title="One call")
    room.command(a, "notes", note="told the bank")
    history = room.get(f"/{b}/history")
    assert (history["id"], history["requested_id"]) == (a, b)
    assert [line["text"] for line in history["lines"]] == [
        "opened by “Records lay open”",
        "“Records lay open” was linked with score 1.00",
        "opened by “A cloned voice”",
        "“A cloned voice” was linked with score 1.00",
        "status changed from open to confirmed",
        f"{b} was merged into {a}",
        "renamed “One call”",
        "noted: told the bank",
    ]
    assert [line["who"] for line in history["lines"]][3:6] == [None, "ann", "ann"]
    assert history["lines"][5]["note"] == "the same call"
    assert [event["sequence"] for event in history["events"]] == [
        line["position"] for line in history["lines"]
    ]
    first = room.get(f"/{b}/history?limit=3")
    rest = room.get(f"/{b}/history?after={first['next']}")
    assert (first["lines"] + rest["lines"], rest["next"]) == (history["lines"], None)
    room.command(b, "unmerge")
    assert (
        room.get(f"/{a}/history")["lines"][-1]["text"]
        == f"the merge of {b} into {a} was undone"
    )
    new = room.command(a, "notes", note="x")
    assert room.get(f"/{a}/history")["position"] == new["position"]
    assert room.get("/n_none/history", 404)["status"] == 404


def test_a_diff_names_what_changed_and_only_that(room: Newsroom) -> None:
    a = room.ids["a"]
    b = room.ids["b"]
    start = room.log.last()
    room.add("i_a2", (LEAK,), into=a, title="More records")
    room.command(b, "merge", into=a, into_version=0)
    room.command(a, "status", status="resolved")
    room.log.append("i_a1", e.ItemWithdrawn(who="admin"))
    room.link("i_a1")
    room.grow()
    changed = room.get(f"/{a}/diff?from={start}")
    assert [item["id"] for item in changed["items_gained"]] == ["i_a2", "i_b1"]
    assert [item["id"] for item in changed["items_lost"]] == ["i_a1"]
    assert changed["merged_gained"] == [b]
    assert changed["changes"]["status"] == {"before": "open", "after": "resolved"}
    assert changed["changes"]["labels"] == {
        "before": ["data_leak"],
        "after": ["data_leak", "deepfake"],
    }
    assert "gained “More records”" in changed["lines"]
    assert "status: open → resolved" in changed["lines"]
    back = room.get(f"/{a}/diff?from={room.log.last()}&to={start}")
    assert [item["id"] for item in back["items_gained"]] == ["i_a1"]
    assert back["merged_lost"] == [b]
    same = room.get(f"/{a}/diff?from={start}&to={start}")
    assert (same["lines"], same["changes"], same["mentions_gained"]) == ([], {}, [])
    born = room.get(f"/{a}/diff?from=0&to={start}")
    assert born["shown_as"] == {"before": None, "after": a}
    assert room.get("/n_none/diff?from=0", 404)["status"] == 404
    assert room.get(f"/{a}/diff", 422)["status"] == 422


def test_a_log_restored_from_a_backup_is_folded_anew(room: Newsroom) -> None:
    a = room.ids["a"]
    assert at(room, a, room.log.last())["id"] == a
    harness = room.harness
    client = room.client
    harness.connection.flushdb()
    harness.connection.set(LOG_ID, "restored")
    harness.log = EventLog(harness.connection)
    restored = Newsroom(harness)
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {restored.key}"
    restored.client = client  # the process that has folded the other log
    other = restored.add("i_z", (LEAK,))
    restored.grow()
    assert restored.list(f"as_of={restored.log.last()}") == [other]
