"""The log in pages, as JSON and as NDJSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from incidentwire.client import Client
from incidentwire.events import TYPES, ItemRejected, ItemSubmitted
from incidentwire.log.event_log import STREAM
from services.api.events import views
from tests.eventually import eventually
from tests.harness import Harness

NDJSON = {"Accept": "application/x-ndjson"}


def test_pages_follow_each_other_without_gap_or_overlap(harness: Harness) -> None:
    for n in range(4):
        harness.add_item(f"i_{n}")
    client = harness.api_client()
    seen = []
    after = 0
    while True:
        page = client.get(f"/v1/events?after={after}&limit=5").get_json()
        seen += [event["sequence"] for event in page["events"]]
        if page["next"] == after:
            break
        after = page["next"]
    assert seen == list(range(1, 13))
    assert (page["last"], page["log_id"]) == (12, harness.log.id)


def test_ndjson_is_the_same_events_to_the_end(harness: Harness) -> None:
    for n in range(800):
        harness.log.append(
            f"i_{n}", ItemSubmitted(url=f"https://news.example.org/{n}", via="t")
        )
    client = harness.api_client()
    answer = client.get("/v1/events?after=100", headers=NDJSON)
    assert answer.mimetype == "application/x-ndjson"
    assert answer.headers["Incidentwire-Last"] == "800"
    events = [json.loads(line) for line in answer.text.splitlines()]
    assert [event["sequence"] for event in events] == list(range(101, 801))
    assert (
        events[:100]
        == client.get("/v1/events?after=100&limit=100").get_json()["events"]
    )
    limited = client.get("/v1/events?after=5&limit=3", headers=NDJSON).text.splitlines()
    assert [json.loads(line)["sequence"] for line in limited] == [6, 7, 8]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", range(1, 10)),
        ("&type=item.submitted", [1, 4, 7]),
        ("&subject=i_1", [4, 5, 6]),
    ],
)
def test_ndjson_cut_by_a_limit_names_the_cursor_of_its_rest(
    harness: Harness, query: str, wanted: Sequence[int]
) -> None:
    for n in range(3):
        harness.add_item(f"i_{n}")
    client = harness.api_client()
    seen: list[int] = []
    cursor = "0"
    while True:
        path = f"/v1/events?limit=2&cursor={cursor}{query}"
        answer = client.get(path, headers=NDJSON)
        found = [json.loads(line)["sequence"] for line in answer.text.splitlines()]
        seen += found
        before = cursor
        cursor = answer.headers["Incidentwire-Cursor"]
        assert answer.headers["Incidentwire-Last"] == cursor.partition("-")[0]
        assert len(found) <= 2
        if cursor == before:
            break
    assert (seen, cursor.partition("-")[0]) == (list(wanted), "9")


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
def test_a_page_with_a_limit_reads_only_so_far_for_a_rare_filter(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    monkeypatch.setattr(views, "EXAMINED", 4)
    for n in range(3):
        harness.add_item(f"i_{n}")
    harness.log.append("i_0", ItemRejected(reason="empty"))
    client = harness.api_client()
    ends = []
    cursor = "0"
    for _ in range(3):
        path = f"/v1/events?type=item.rejected&limit=5&cursor={cursor}"
        answer = client.get(path, headers={"Accept": accept})
        cursor = (
            answer.get_json()["cursor"]
            if accept == "application/json"
            else answer.headers["Incidentwire-Cursor"]
        )
        ends.append((cursor.partition("-")[0], "item.rejected" in answer.text))
    assert ends == [("4", False), ("8", False), ("10", True)]


def test_the_events_of_a_subject_are_read_without_the_others(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "PAGE", 2)
    client = harness.api_client()
    harness.add_item("i_one")

    def reads() -> int:
        def done() -> int:
            stats: Any = harness.connection.info("commandstats")
            return int(stats["cmdstat_xrange"]["calls"])

        before = done()
        answer = client.get("/v1/events?subject=i_one", headers=NDJSON)
        assert len(answer.text.splitlines()) == 3
        return done() - before

    alone = reads()
    for n in range(20):
        harness.add_item(f"i_{n}")
    assert reads() == alone


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("type=item.rejected", [7]),
        ("type=item.rejected,item.submitted", [1, 4, 7]),
        ("type=item.rejected&type=item.submitted", [1, 4, 7]),
        ("type=item.", [1, 2, 3, 4, 5, 6, 7]),
        ("type=incident.", []),
        ("label=consent", [6]),
        ("label=consent,data_leak", [3, 6]),
        ("subject=i_b", [4, 5, 6]),
        ("subject=i_b&label=consent&after=3", [6]),
        ("subject=i_b&limit=2", [4, 5]),
        ("subject=i_none", []),
        ("q=label:consent OR type:item.rejected", [6, 7]),
        ("q=subject:i_b -type:item.submitted&after=4", [5, 6]),
        ("q=NOT label:data_leak&type=item.classified", [6]),
    ],
)
def test_filters_choose_and_next_says_how_far_was_looked(
    harness: Harness, query: str, wanted: list[int]
) -> None:
    harness.add_item("i_a", labels=("data_leak",))
    harness.add_item("i_b", labels=("consent",))
    harness.log.append("i_a", ItemRejected(reason="empty"))
    client = harness.api_client()
    page = client.get(f"/v1/events?{query}").get_json()
    assert [event["sequence"] for event in page["events"]] == wanted
    assert page["next"] == (5 if "limit" in query else 7)
    lines = client.get(f"/v1/events?{query}", headers=NDJSON).text.splitlines()
    if "subject" not in query or "limit" not in query:
        assert [json.loads(line)["sequence"] for line in lines] == wanted


def test_a_cursor_of_another_log_or_ahead_of_it_gets_409_and_history_that_is_gone_410(
    harness: Harness,
) -> None:
    for n in range(5):
        harness.add_item(f"i_{n}")
    client = harness.api_client()
    for query in ("after=1&log_id=another", "after=16"):
        answer = client.get(f"/v1/events?{query}")
        assert answer.status_code == 409
        assert (answer.get_json()["first"], answer.get_json()["last"]) == (1, 15)
    assert (
        client.get(f"/v1/events?after=15&log_id={harness.log.id}").get_json()["events"]
        == []
    )
    harness.connection.xtrim(STREAM, maxlen=5, approximate=False)
    answer = client.get("/v1/events?after=3")
    assert (answer.status_code, answer.get_json()["first"]) == (410, 11)
    assert client.get("/v1/events?after=10").status_code == 200


def test_an_event_of_a_newer_release_is_said_and_not_skipped(harness: Harness) -> None:
    harness.connection.xadd(
        STREAM, {"t": "item.dreamt", "s": "i_a", "at": 1, "d": "{}"}, id="1-0"
    )
    answer = harness.api_client().get("/v1/events")
    assert answer.status_code == 503
    assert "item.dreamt" in answer.get_json()["detail"]


def test_every_event_fits_the_schema_that_is_served_for_its_type(
    harness: Harness,
) -> None:
    harness.add_item("i_a", labels=("data_leak",))
    client = harness.api_client()
    assert set(client.get("/v1/schemas").get_json()["types"]) == set(TYPES)
    for event in client.get("/v1/events").get_json()["events"]:
        schema = json.loads(client.get(f"/v1/schemas/{event['type']}").data)
        jsonschema.validate(event, schema)
    assert client.get("/v1/schemas/item.dreamt").status_code == 404


def test_a_query_that_needs_more_than_the_log_is_refused_with_the_way_to_go(
    harness: Harness,
) -> None:
    client = harness.api_client()
    for path in ("/v1/events", "/v1/events/stream"):
        for query in ("clinic", "source:example.org", "label:x", "type:item.x OR"):
            answer = client.get(path, query_string={"q": query})
            assert answer.status_code == 422, query
            assert answer.get_json()["errors"][0]["field"] == "q"
    refusal = client.get("/v1/events?q=clinic").get_json()["errors"][0]["message"]
    assert "POST /v1/subscriptions" in refusal


def test_a_long_poll_is_answered_by_the_event_it_waits_for(harness: Harness) -> None:
    harness.add_item("i_a")
    harness.projector().catch_up()
    harness.run_web()
    pages: list[tuple[int, Any]] = []
    query = "/v1/events?after=3&wait=30&q=label:consent"
    poll = threading.Thread(target=lambda: pages.append(harness.get(query)))
    poll.start()
    eventually(
        lambda: harness.get("/v1/stats")[1]["open_streams"] == 1, "the poll waits"
    )
    harness.add_item("i_b")
    harness.add_item("i_c", labels=("consent",))
    poll.join()
    status, page = pages[0]
    assert status == 200
    assert [event["sequence"] for event in page["events"]] == [9]
    assert page["next"] == 9
    assert harness.get("/v1/events?after=9&wait=1")[1]["events"] == []
    eventually(lambda: harness.get("/v1/stats")[1]["open_streams"] == 0, "it is over")
    with Client(f"http://127.0.0.1:{harness.port}", key=harness.key) as client:
        events, after = client.poll(6, wait_s=1)
        assert [event.position for event in events] == [7, 8, 9]
        assert client.poll(after, wait_s=0) == ([], after)
    assert harness.get("/v1/events?after=9&wait=31")[0] == 422
