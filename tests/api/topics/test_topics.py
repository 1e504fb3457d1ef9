"""Topics of one's own: defined, found everywhere, replaced, removed, rebuilt."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import command
from cli.topics import COLOURS
from services.api.filters.matching import matches
from services.api.filters.parser import parse
from services.api.filters.topic import COLOURS as ALL_COLOURS
from services.api.filters.topic import topic_id
from services.api.subscriptions import facts
from tests.harness import Harness
from tests.loopback import serving
from tests.newsroom import FAKE, LEAK, Newsroom

URL = "/v1/topics"
TAXI = {"name": "Robotaxis", "filter": 'robotaxi OR "driverless cars"'}


@pytest.fixture
def room(harness: Harness) -> Newsroom:
    """Return an incident about robotaxis and one about something else."""
    room = Newsroom(harness)
    room.ids["taxi"] = room.add("i_1", (LEAK,), title="Robotaxi films its passengers")
    room.ids["clinic"] = room.add("i_2", (FAKE,), title="Clinic loses records")
    room.grow()
    return room


def define(room: Newsroom, status: int = 201, **topic: str) -> Any:
    answer = room.client.post(URL, json={**TAXI, **topic})
    assert answer.status_code == status, answer.text
    room.grow()
    return answer.get_json()


def topics_by_item(room: Newsroom) -> dict[str, list[str]]:
    items = room.client.get("/v1/items").get_json()["items"]
    return {item["id"]: item["topics"] for item in items}


def topics_by_incident(room: Newsroom) -> dict[str, list[str]]:
    return {one["id"]: one["topics"] for one in room.get("")["incidents"]}


def test_a_topic_marks_what_is_here_and_what_comes(room: Newsroom) -> None:
    define(room)
    later = room.add("i_3", (LEAK,), title="Two driverless cars collide")
    room.grow()
    assert topics_by_item(room) == {
        "i_1": ["Robotaxis"],
        "i_2": [],
        "i_3": ["Robotaxis"],
    }
    wanted = {room.ids["taxi"], later}
    assert set(room.list("topic=robotaxis")) == wanted
    assert set(room.list("q=topic:robotaxis")) == wanted
    assert room.list("q=-topic:Robotaxis") == [room.ids["clinic"]]
    found = room.client.get("/v1/items?topic=ROBOTAXIS").get_json()["items"]
    assert {item["id"] for item in found} == {"i_1", "i_3"}
    (topic,) = room.client.get(URL).get_json()["topics"]
    assert (topic["items"], topic["incidents"], topic["who"]) == (2, 2, "ann")


def test_search_counts_and_shows_topics(room: Newsroom) -> None:
    define(room)
    for kind in ("items", "incidents"):
        found = room.client.get(f"/v1/search?q=topic:robotaxis&kind={kind}").get_json()
        assert found["hits"][0]["topics"] == ["Robotaxis"]
        assert found["facets"]["topic"] == [{"value": "Robotaxis", "count": 1}]


def test_a_topic_is_replaced_by_its_name_and_removed(room: Newsroom) -> None:
    define(room)
    done = define(room, name="ROBOTAXIS", filter="label:deepfake", colour="pink")
    assert topics_by_item(room) == {"i_1": [], "i_2": ["ROBOTAXIS"]}
    answer = room.client.delete(f"{URL}/{done['id']}")
    assert answer.status_code == 200, answer.text
    room.grow()
    assert topics_by_item(room) == {"i_1": [], "i_2": []}
    assert topics_by_incident(room) == {room.ids["taxi"]: [], room.ids["clinic"]: []}
    assert room.client.delete(f"{URL}/{done['id']}").status_code == 404


def test_a_title_given_by_a_person_puts_an_incident_on_a_topic(room: Newsroom) -> None:
    define(room)
    body = {"title": "A robotaxi ran into a crowd"}
    opened = room.client.post("/v1/incidents", json=body)
    assert opened.status_code == 201, opened.text
    room.grow()
    before = topics_by_incident(room)
    assert before[opened.get_json()["id"]] == ["Robotaxis"]
    define(room, description="Cars without drivers")
    assert topics_by_incident(room) == before


def test_an_entity_alias_reaches_the_topics_that_name_the_entity(
    room: Newsroom,
) -> None:
    room.add("i_4", (LEAK,), title="Records of Open Voice leaked")
    define(room, name="Voices", filter="entity:OpenVoice")
    assert topics_by_item(room)["i_4"] == []
    alias = {"alias": "Open Voice", "name": "OpenVoice"}
    assert room.client.post("/v1/entities/aliases", json=alias).status_code == 201
    room.grow()
    assert topics_by_item(room)["i_4"] == ["Voices"]


def test_subscriptions_see_topics(room: Newsroom, harness: Harness) -> None:
    define(room)
    reader = room.client.application.extensions["incidentwire.reader"]
    entries = [e for e in harness.log.read() if e.subject in ("i_1", room.ids["taxi"])]

    def read(db: Any) -> Any:
        db.row_factory = sqlite3.Row
        return [facts.read(db, entry, texts=False).facts for entry in entries]

    found = reader.read(read)
    assert len(found) > 1
    assert all(matches(parse("topic:robotaxis"), one) for one in found)


def test_a_rebuilt_read_model_has_the_same_topics(
    room: Newsroom, harness: Harness
) -> None:
    define(room)
    room.command(room.ids["clinic"], "title", title="Clinic buys a robotaxi")
    before = (topics_by_item(room), topics_by_incident(room))
    assert before[1][room.ids["clinic"]] == ["Robotaxis"]
    room.projector.close()
    harness.delete_read_model()
    harness.projector().catch_up()
    assert (topics_by_item(room), topics_by_incident(room)) == before


def test_a_corrected_item_joins_and_leaves_the_topics_of_its_labels(
    room: Newsroom,
) -> None:
    define(room, name="Fakes", filter="label:deepfake robotaxi")
    for labels, wanted in (([FAKE], ["Fakes"]), ([LEAK], [])):
        version = len(room.log.history("i_1"))
        body = {"labels": labels, "version": version}
        answer = room.client.post("/v1/items/i_1/labels", json=body)
        assert answer.status_code == 200, answer.text
        room.grow()
        assert topics_by_item(room)["i_1"] == wanted
        assert topics_by_incident(room).get(room.ids["taxi"]) == wanted


SUBSCRIPTION = {"name": "Taxis", "channel": "feed", "filter": "topic:robotaxis"}


def test_a_topic_that_is_none_is_refused_with_the_known_ones(room: Newsroom) -> None:
    define(room)
    asked = (
        *(f"/v1/{list}?q=-topic:robots" for list in ("items", "incidents", "search")),
        *(f"/v1/{list}?topic=robots" for list in ("items", "incidents")),
        "/v1/incidents/export.csv?q=topic:robots",
        "/search?q=topic:robots",
        "/incidents?without_topic=robots",
        "/incidents.csv?topic=robots",
        "/review/bulk?q=topic:robots&label=consent",
    )
    answers = [room.client.get(path) for path in asked]
    wrong = {"filter": "topic:robots"}
    answers += [
        room.client.post("/v1/filters/test", json=wrong),
        room.client.post("/v1/subscriptions", json={**SUBSCRIPTION, **wrong}),
        room.client.post("/v1/groups/taxis", json=wrong),
    ]
    for answer in answers:
        assert answer.status_code == 422, (answer.request.path, answer.text)
        assert "robots" in answer.text
        assert "Robotaxis" in answer.text


def test_a_subscription_outlives_its_topic_and_says_so(room: Newsroom) -> None:
    topic = define(room)
    made = room.client.post("/v1/subscriptions", json=SUBSCRIPTION).get_json()
    path = f"/v1/subscriptions/{made['id']}"
    group = {"filter": "topic:robotaxis"}
    assert room.client.post("/v1/groups/taxis", json=group).status_code == 200
    assert room.client.get(path).get_json()["removed_topics"] == []
    assert room.client.delete(f"{URL}/{topic['id']}").status_code == 200
    room.grow()
    assert room.client.get(path).get_json()["removed_topics"] == ["robotaxis"]
    assert room.client.patch(path, json={"name": "Cabs"}).status_code == 200
    assert room.client.post("/v1/groups/taxis", json=group).status_code == 200
    page = room.client.get(f"/subscriptions/{made['id']}")
    assert page.status_code == 200
    assert "a topic that was removed: robotaxis" in page.text
    feed = made["feed_url"].partition("/v1")[2]
    assert room.client.get(f"/v1{feed}").status_code == 200


@pytest.mark.parametrize(
    ("topic", "status", "says"),
    [
        (TAXI, 409, "just so already"),
        ({"name": "!!"}, 422, "no name for a topic"),
        ({"filter": "("}, 422, "cannot be read"),
        ({"filter": " "}, 422, "is empty"),
        ({"filter": "status:open"}, 422, "cannot depend on status:"),
        ({"colour": "#ff0000"}, 422, "colour"),
        ({"name": ""}, 422, "name"),
    ],
)
def test_a_senseless_topic_is_refused_in_words(
    room: Newsroom, topic: dict[str, str], status: int, says: str
) -> None:
    define(room)
    assert says in str(define(room, status, **topic))


def test_who_may_only_read_defines_nothing(room: Newsroom, harness: Harness) -> None:
    assert harness.api_client().post(URL, json=TAXI).status_code == 403
    assert harness.api_client().delete(f"{URL}/{topic_id('x')}").status_code == 403


def test_the_command_line_defines_lists_and_removes(
    room: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCIDENTWIRE_KEY", room.key)
    monkeypatch.setenv("INCIDENTWIRE_DATA_DIR", str(room.harness.settings.data_dir))

    def run(*args: str) -> str:
        done = CliRunner().invoke(command, ["topics", *args])
        assert done.exit_code == 0, done.output
        room.grow()
        return done.output

    with serving(room.client.application) as url:
        monkeypatch.setenv("INCIDENTWIRE_API_URL", url)
        run("add", "Robotaxis", "robotaxi", "--colour", "teal")
        assert "Robotaxis\t1\t1\tteal\tann\trobotaxi" in run("list")
        assert '"position"' in run("remove", "robotaxis", "--json")
        assert len(run("list").splitlines()) == 1
        missing = CliRunner().invoke(command, ["topics", "remove", "Robotaxis"])
    assert "no topic. See `incidentwire topics list`" in missing.output


def test_the_command_line_knows_every_colour() -> None:
    assert COLOURS == ALL_COLOURS
