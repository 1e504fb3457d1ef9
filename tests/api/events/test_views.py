"""The log in pages, as JSON and as NDJSON."""

from __future__ import annotations

import json

import jsonschema  # type: ignore[import-untyped]
import pytest

from incidentwire.events import TYPES, ItemRejected, ItemSubmitted
from incidentwire.log.event_log import STREAM
from tests.house import House

NDJSON = {"Accept": "application/x-ndjson"}


def test_pages_follow_each_other_without_gap_or_overlap(house: House) -> None:
    for n in range(4):
        house.add_item(f"i_{n}")
    client = house.api_client()
    seen, after = [], 0
    while True:
        page = client.get(f"/v1/events?after={after}&limit=5").get_json()
        seen += [event["sequence"] for event in page["events"]]
        if page["next"] == after:
            break
        after = page["next"]
    assert seen == list(range(1, 13))
    assert (page["last"], page["log_id"]) == (12, house.log.id)


def test_ndjson_is_the_same_events_to_the_end(house: House) -> None:
    for n in range(800):
        house.log.append(
            f"i_{n}", ItemSubmitted(url=f"https://news.example.org/{n}", via="t")
        )
    client = house.api_client()
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
    ],
)
def test_filters_choose_and_next_says_how_far_was_looked(
    house: House, query: str, wanted: list[int]
) -> None:
    house.add_item("i_a", labels=("data_leak",))
    house.add_item("i_b", labels=("consent",))
    house.log.append("i_a", ItemRejected(reason="empty"))
    client = house.api_client()
    page = client.get(f"/v1/events?{query}").get_json()
    assert [event["sequence"] for event in page["events"]] == wanted
    assert page["next"] == (5 if "limit" in query else 7)
    lines = client.get(f"/v1/events?{query}", headers=NDJSON).text.splitlines()
    if "subject" not in query or "limit" not in query:
        assert [json.loads(line)["sequence"] for line in lines] == wanted


def test_a_cursor_of_another_log_or_ahead_of_it_gets_409_and_history_that_is_gone_410(
    house: House,
) -> None:
    for n in range(5):
        house.add_item(f"i_{n}")
    client = house.api_client()
    for query in ("after=1&log_id=another", "after=16"):
        answer = client.get(f"/v1/events?{query}")
        assert answer.status_code == 409
        assert (answer.get_json()["first"], answer.get_json()["last"]) == (1, 15)
    assert (
        client.get(f"/v1/events?after=15&log_id={house.log.id}").get_json()["events"]
        == []
    )
    house.connection.xtrim(STREAM, maxlen=5, approximate=False)
    answer = client.get("/v1/events?after=3")
    assert (answer.status_code, answer.get_json()["first"]) == (410, 11)
    assert client.get("/v1/events?after=10").status_code == 200


def test_an_event_of_a_newer_release_is_said_and_not_skipped(house: House) -> None:
    house.connection.xadd(
        STREAM, {"t": "item.dreamt", "s": "i_a", "at": 1, "d": "{}"}, id="1-0"
    )
    answer = house.api_client().get("/v1/events")
    assert answer.status_code == 503
    assert "item.dreamt" in answer.get_json()["detail"]


def test_every_event_fits_the_schema_that_is_served_for_its_type(house: House) -> None:
    house.add_item("i_a", labels=("data_leak",))
    client = house.api_client()
    assert set(client.get("/v1/schemas").get_json()["types"]) == set(TYPES)
    for event in client.get("/v1/events").get_json()["events"]:
        schema = json.loads(client.get(f"/v1/schemas/{event['type']}").data)
        jsonschema.validate(event, schema)
    assert client.get("/v1/schemas/item.dreamt").status_code == 404
