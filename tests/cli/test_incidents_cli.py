"""`incidentwire incidents` against a real API: what is typed is what happens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.incidents import incidents
from incidentwire.events import SharedTerms
from tests.harness import Harness
from tests.loopback import serving
from tests.newsroom import FAKE, LEAK, Newsroom
from tests.store import Store


@pytest.fixture
def room(store: Store, tmp_path: Path) -> Iterator[Newsroom]:
    harness = Harness(store.connect(), store.url, tmp_path / "data")
    room = Newsroom(harness)
    room.ids["a"] = room.add(
        "i_a1", (LEAK,), title="Records\x1b[31m lay open", published="2024-03-01"
    )
    why = {
        "score": 0.9,
        "shared": SharedTerms(names=2),
        "days": 1,
        "spans": ((0, 4),),
        "nearest": "i_a1#m0",
    }
    room.add("i_a2", (LEAK,), into=room.ids["a"], why=why)
    room.ids["b"] = room.add("i_b1", (FAKE,), title="A cloned voice")
    room.grow()
    yield room
    harness.__exit__()
    harness.connection.close()


@pytest.fixture
def run(
    room: Newsroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Result]]:
    monkeypatch.setenv("INCIDENTWIRE_KEY", room.key)
    monkeypatch.setenv("INCIDENTWIRE_DATA_DIR", str(tmp_path))

    def command(*words: str) -> Result:
        result = CliRunner().invoke(incidents, list(words))
        room.grow()
        return result

    with serving(room.client.application) as url:
        monkeypatch.setenv("INCIDENTWIRE_API_URL", url)
        yield command


def test_incidents_are_listed_and_shown(
    room: Newsroom, run: Callable[..., Result]
) -> None:
    a = room.ids["a"]
    b = room.ids["b"]
    header, *rows = [line.split("\t") for line in run("list").output.splitlines()]
    assert header[:2] == ["id", "status"]
    assert [row[0] for row in rows] == [b, a]
    found = run("list", "--label", "deepfake").output.splitlines()[1]
    assert found == f"{b}\topen\tdeepfake\t1\t{today(room, b)}\tA cloned voice"
    assert json.loads(run("list", "--text", "i_a2", "--json").output)["id"] == a
    assert len(run("list", "--limit", "1", "--json").output.splitlines()) == 1
    assert json.loads(run("show", a[:8], "--json").output)["id"] == a
    assert run("show", "n_").exit_code == 1
    shown = run("show", a).output
    assert shown.startswith("Records [31m lay open\n")
    assert "i_a2#m0  data_leak  by linker  score 1.00" in shown
    assert "    why: opened this incident\n" in shown
    assert (
        "    why: shares 2 names with “Records [31m lay open”; shares the passages “Text” with it; one day apart\n"
        in shown
    )
    assert json.loads(run("show", a, "--json").output)["item_count"] == 2


def today(room: Newsroom, incident: str) -> str:
    day: str = room.get(f"/{incident}")["last_report"]
    return day


def test_people_decide_on_the_command_line_and_undo(
    room: Newsroom, run: Callable[..., Result]
) -> None:
    a = room.ids["a"]
    b = room.ids["b"]
    assert run("status", a, "confirmed", "--note", "two sources").output.startswith(
        f"{a}\tconfirmed\tversion 1"
    )
    assert run("rename", a, "Open server").exit_code == 0
    assert run("note", a, "told the regulator").exit_code == 0
    assert run("merge", a, b, "--note", "the same").output.startswith(
        f"{b}\topen\tversion 4"
    )
    assert f"{a} was merged into {b}" in run("show", a).output
    assert run("undo", a).output.startswith(f"{a}\tconfirmed")
    noted = json.loads(run("note", a, "by letter", "--json").output)
    assert (noted["id"], noted["status"], noted["other"]) == (a, "confirmed", None)
    new = run("split", a, "i_a2#m0").output.strip().split("\t")[-1]
    assert run("undo", new).output.startswith(f"{a}\tconfirmed")
    assert run("move", a, "i_a2#m0", b).output.strip().endswith(b)
    lines = run("show", a, "--history").output.splitlines()
    assert any(
        "status changed from open to confirmed (two sources)" in line for line in lines
    )


def test_a_refusal_is_one_line(room: Newsroom, run: Callable[..., Result]) -> None:
    a = room.ids["a"]
    run("note", a, "first")
    stale = run("status", a, "resolved", "--version", "0")
    assert (
        stale.exit_code,
        "Load it again" in stale.output,
        "Traceback" in stale.output,
    ) == (1, True, False)
    assert run("undo", a).exit_code == 1
    assert "Give the whole id" in run("show", "n_none").output
