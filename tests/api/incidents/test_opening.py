"""Incidents that people open before any item reports them."""

from __future__ import annotations

import pytest

from tests.harness import Harness
from tests.newsroom import LEAK, Newsroom

RECORD = "https://incidentdatabase.ai/cite/23"


@pytest.fixture
def room(harness: Harness) -> Newsroom:
    room = Newsroom(harness)
    room.ids["a"] = room.add("i_a", (LEAK,))
    room.grow()
    return room


def _open(room: Newsroom, status: int = 201, **body: object) -> dict[str, object]:
    answer = room.client.post("/v1/incidents", json=body)
    assert answer.status_code == status, answer.text
    room.grow()
    found: dict[str, object] = answer.get_json()
    return found


def test_an_incident_is_opened_by_hand_and_mentions_are_moved_into_it(
    room: Newsroom,
) -> None:
    done = _open(room, title="Rumour of a leak", same_as=[RECORD], note="by telephone")
    name = str(done["id"])
    found = room.get(f"/{name}")
    assert (found["title"], found["title_by"]) == ("Rumour of a leak", "person")
    assert (found["same_as"], found["item_count"], found["version"]) == ([RECORD], 0, 1)
    assert name in room.list()
    [event] = room.get(f"/{name}/history")["events"]
    assert event["type"] == "incident.created"
    assert (event["data"]["who"], event["data"]["note"]) == ("ann", "by telephone")
    to = {"id": name, "version": 1}
    room.command(room.ids["a"], "move", mention="i_a#m0", to=to)
    assert [item["id"] for item in room.get(f"/{name}")["items"]] == ["i_a"]
    assert room.get(f"/{name}")["labels"] == ["data_leak"]


def test_the_first_record_identifies_an_incident(room: Newsroom) -> None:
    first = _open(room, title="One", same_as=[RECORD])
    refused = _open(room, 409, title="Two", same_as=[RECORD])
    assert refused["id"] == first["id"]
    assert _open(room, title="One")["id"] != _open(room, title="One")["id"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": " "},
        {"title": "x", "same_as": ["javascript:alert(1)"]},
        {"title": "x", "same_as": ["https://a.example/a b"]},
        {"title": "x", "items": ["i_a"]},
    ],
)
def test_what_is_no_incident_is_refused(
    room: Newsroom, body: dict[str, object]
) -> None:
    before = room.log.last()
    _open(room, 422, **body)
    assert room.log.last() == before


@pytest.mark.parametrize("title", ["", " ", "\0", "a\0b"])
def test_a_title_without_words_gets_one_message(room: Newsroom, title: str) -> None:
    errors = _open(room, 422, title=title)["errors"]
    assert errors == [
        {"field": "title", "message": "needs words, and no NUL character"}
    ]
