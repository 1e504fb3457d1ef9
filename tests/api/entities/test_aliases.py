"""Two spellings of one entity: declared, applied everywhere, taken back, rebuilt."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import command
from services.api.filters.matching import matches
from services.api.filters.parser import parse
from services.api.subscriptions import facts
from services.api.text.aliases import Declaration, alias_id, spellings
from tests.harness import Harness
from tests.loopback import serving
from tests.newsroom import FAKE, LEAK, Newsroom

URL = "/v1/entities/aliases"


@pytest.fixture
def room(harness: Harness) -> Newsroom:
    """Return two incidents, each with its own spelling of one company."""
    room = Newsroom(harness)
    room.ids["split"] = room.add("i_1", (LEAK,), title="Records of Open Voice leaked")
    room.ids["joined"] = room.add(
        "i_2", (FAKE,), title="Fake made with OpenVoice tools"
    )
    room.grow()
    return room


def declare(room: Newsroom, alias: str, name: str, status: int = 201) -> Any:
    answer = room.client.post(URL, json={"alias": alias, "name": name})
    assert answer.status_code == status, answer.text
    room.grow()
    return answer.get_json()


def take_back(room: Newsroom, alias: str, status: int = 200) -> None:
    answer = room.client.delete(f"{URL}/{alias_id(alias)}")
    assert answer.status_code == status, answer.text
    room.grow()


def test_both_spellings_find_everything_until_the_alias_is_taken_back(
    room: Newsroom,
) -> None:
    both = {room.ids["split"], room.ids["joined"]}
    assert set(room.list("entity=Open Voice")) == {room.ids["split"]}
    declare(room, "Open Voice", "OpenVoice")
    assert set(room.list("entity=open voice")) == both
    assert set(room.list('q=entity:"OpenVoice" -zebra')) == both
    assert set(room.list('q=-entity:"Open Voice"')) == set()
    found = room.client.get("/v1/items?entity=OpenVoice").get_json()["items"]
    assert {item["id"] for item in found} == {"i_1", "i_2"}
    take_back(room, "Open Voice")
    assert set(room.list("entity=OpenVoice")) == {room.ids["joined"]}
    take_back(room, "Open Voice", 404)


def test_a_title_given_by_a_person_is_found_under_every_spelling(
    room: Newsroom,
) -> None:
    room.command(room.ids["split"], "title", title="OV Labs lost records")
    declare(room, "OV Labs", "OpenVoice")
    assert room.ids["split"] in room.list("entity=OpenVoice")


def test_subscriptions_see_every_spelling(room: Newsroom, harness: Harness) -> None:
    declare(room, "Open Voice", "OpenVoice")
    (entry,) = [e for e in harness.log.read() if e.subject == "i_1"][:1]
    client = room.client.application
    reader = client.extensions["incidentwire.reader"]

    def read(db: Any) -> Any:
        db.row_factory = sqlite3.Row
        return facts.read(db, entry, texts=False)

    assert matches(parse("entity:OpenVoice"), reader.read(read).facts)


def test_a_rebuilt_read_model_knows_the_aliases(
    room: Newsroom, harness: Harness
) -> None:
    declare(room, "Open Voice", "OpenVoice")
    declare(room, "OpenVoice", "Open Voice Inc")
    before = room.client.get(URL).get_json()["aliases"]
    assert [one["entity"] for one in before] == ["Open Voice Inc"] * 2
    room.projector.close()
    harness.delete_read_model()
    harness.projector().catch_up()
    assert room.client.get(URL).get_json()["aliases"] == before


@pytest.mark.parametrize(
    ("alias", "name", "status", "says"),
    [
        ("Open Voice", "open-voice", 409, "same name"),
        ("OpenVoice", "Open Voice", 409, "one entity already"),
        ("Open Voice", "Zebra", 409, "Take that back first"),
        ("!!", "Zebra", 422, "no letter or digit"),
        ("", "Zebra", 422, "alias"),
    ],
)
def test_a_senseless_declaration_is_refused_in_words(
    room: Newsroom, alias: str, name: str, status: int, says: str
) -> None:
    declare(room, "Open Voice", "OpenVoice")
    assert says in str(declare(room, alias, name, status))


def test_who_may_only_read_declares_nothing(room: Newsroom, harness: Harness) -> None:
    body = {"alias": "Open Voice", "name": "OpenVoice"}
    answer = harness.api_client().post(URL, json=body)
    assert answer.status_code == 403


def test_a_circle_of_declarations_is_one_entity() -> None:
    circle = [Declaration(alias="A", name="B"), Declaration(alias="B", name="A")]
    tail = Declaration(alias="C", name="A")
    assert {one.entity for one in spellings([*circle, tail])} == {"a"}


def test_incidents_of_a_country_are_found_and_counted(harness: Harness) -> None:
    room = Newsroom(harness)
    german = room.add("i_1", (FAKE,), title="Cloned voice fools a German bank")
    chinese = room.add("i_2", (FAKE,), title="上海一公司被深度伪造视频骗走百万")
    room.grow()
    assert room.list("country=Germany") == [german]
    assert room.list("country=cn") == room.list("q=country:中国") == [chinese]
    assert room.get(f"/{german}")["countries"] == ["de"]
    answer = room.client.get("/v1/incidents?country=Atlantis")
    assert answer.status_code == 422
    assert "such as Germany" in answer.text


def test_the_command_line_declares_lists_and_takes_back(
    room: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCIDENTWIRE_KEY", room.key)
    monkeypatch.setenv("INCIDENTWIRE_DATA_DIR", str(room.harness.settings.data_dir))

    def run(*words: str) -> str:
        result = CliRunner().invoke(command, ["entities", *words])
        room.grow()
        return result.output + str(result.exception or "")

    with serving(room.client.application) as url:
        monkeypatch.setenv("INCIDENTWIRE_API_URL", url)
        run("alias", "Open Voice", "OpenVoice")
        assert "Open Voice\tOpenVoice\tann" in run("list")
        assert "one entity already" in run("alias", "OpenVoice", "Open Voice")
        run("unalias", "Open Voice")
        assert "is not declared" in run("unalias", "Open Voice")


def test_search_counts_all_spellings_of_a_name_as_one(room: Newsroom) -> None:
    declare(room, "Open Voice", "OpenVoice")
    for kind in ("items", "incidents"):
        answer = room.client.get(f"/v1/search?q=-zebra&kind={kind}").get_json()
        counts = {one["value"]: one["count"] for one in answer["facets"]["entity"]}
        assert counts["OpenVoice"] == 2
