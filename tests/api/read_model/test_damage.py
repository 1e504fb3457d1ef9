"""Damage, a log that lost its tail and a store that is away: noticed, named, and mended."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from incidentwire.events import IncidentOpened, ItemSubmitted
from services.api.errors import ReadModelDamaged
from services.api.read_model import database
from services.api.read_model.reader import Reader
from tests.eventually import eventually
from tests.harness import Harness
from tests.lost_tail import cut
from tests.store import Store


@pytest.fixture
def own_harness(own_store: Store, tmp_path: Path) -> Iterator[Harness]:
    with Harness(own_store.connect(), own_store.url, tmp_path / "own") as harness:
        yield harness


def overwrite_pages(harness: Harness, seed: int = 1) -> None:
    """Put noise over most pages of the read model's file, the first two left alone."""
    with closing(sqlite3.connect(harness.settings.read_model.resolve())) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    drawn = random.Random(seed)
    with harness.settings.read_model.resolve().open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for page in range(2, size // 4096):
            file.seek(page * 4096)
            file.write(drawn.randbytes(4096))


def overwrite_texts(harness: Harness) -> None:
    """Put noise over the first page of the texts, which no start reads."""
    file = harness.settings.read_model.resolve()
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        root = "SELECT rootpage FROM sqlite_master WHERE name = 'documents'"
        (page,) = db.execute(root).fetchone()
    with file.open("r+b") as opened:
        opened.seek((page - 1) * 4096)
        opened.write(random.Random(1).randbytes(4096))


def filled(harness: Harness) -> None:
    for number in range(30):
        harness.add_item(
            f"i_{number}", f"Story {number} of cameras.", labels=("consent",)
        )


@pytest.mark.parametrize("damage", [overwrite_pages, overwrite_texts])
def test_damaged_pages_are_found_at_the_start_and_rebuilt(
    harness: Harness, damage: Callable[[Harness], None]
) -> None:
    filled(harness)
    harness.projector().catch_up()
    client = harness.api_client()
    before = client.get("/v1/items").get_json()
    damage(harness)
    with closing(sqlite3.connect(harness.settings.read_model.resolve())) as db:
        assert database.damage_found(db)
    harness.projector().catch_up()
    assert client.get("/v1/items").get_json() == before
    with closing(database.open_for_reading(harness.settings.read_model)) as db:
        assert database.damage_found(db) == ""


def test_damage_found_by_a_query_makes_a_running_projector_rebuild(
    harness: Harness,
) -> None:
    filled(harness)
    harness.run_projector()
    client = harness.api_client()
    eventually(lambda: client.get("/v1/items/i_29").status_code == 200)
    overwrite_pages(harness)
    fresh = harness.api_client()  # without a page in its cache
    eventually(lambda: fresh.get("/v1/items?q=cameras").status_code == 200)
    names = [path.name for path in harness.settings.read_model.parent.iterdir()]
    assert "read_model.2.sqlite" in names
    assert not [name for name in names if name.endswith(".damaged")]


def test_a_late_report_of_damage_spares_the_file_that_came_after(
    harness: Harness,
) -> None:
    filled(harness)
    harness.projector().catch_up()
    link = harness.settings.read_model

    def fail_after_a_rebuild(_: sqlite3.Connection) -> None:
        path = database.next_generation(link)
        database.create(path, harness.log.id).close()
        database.activate(path, link)
        error = sqlite3.DatabaseError("malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    with pytest.raises(ReadModelDamaged):
        Reader(link).read(fail_after_a_rebuild)
    assert not database.damage_file(link).exists()


def test_a_damaged_read_model_is_a_503_and_not_ready(harness: Harness) -> None:
    filled(harness)
    harness.projector().catch_up()
    overwrite_pages(harness)
    client = harness.api_client()
    answer = client.get("/v1/items?q=cameras")
    assert answer.status_code == 503
    assert answer.get_json()["type"].endswith(":read-model-damaged")
    assert "Retry-After" in answer.headers
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "damaged" in ready.get_json()["detail"]
    harness.projector().catch_up()
    assert harness.api_client().get("/readyz").status_code == 200


def test_damage_that_another_process_found_makes_this_one_not_ready(
    harness: Harness,
) -> None:
    harness.projector().catch_up()
    client = harness.api_client()
    assert client.get("/readyz").status_code == 200
    report = database.damage_file(harness.settings.read_model)
    database.report_damage(report, ValueError("elsewhere"))
    assert client.get("/readyz").status_code == 503


def test_a_log_that_lost_its_tail_and_grew_again_is_noticed(harness: Harness) -> None:
    harness.add_item("i_a", "Stays.")
    kept = harness.log.last()
    harness.add_item("i_lost", "Is lost.", labels=("consent",))
    harness.projector().catch_up()
    last = harness.log.last()
    cut(harness.connection, kept)
    while harness.log.last() < last:
        harness.add_item(f"i_{harness.log.last()}", "Came later.")
    harness.projector().catch_up()
    ids = [
        item["id"] for item in harness.api_client().get("/v1/items").get_json()["items"]
    ]
    assert "i_lost" not in ids
    assert "i_a" in ids
    rebuilt = harness.settings.read_model.resolve().name
    assert rebuilt == "read_model.2.sqlite"


def test_a_web_process_forgets_incidents_of_the_lost_tail(harness: Harness) -> None:
    harness.add_item("i_a", "Stays.")
    kept = harness.log.last()
    harness.log.append("n_lost", IncidentOpened(item="i_a", mention="m0"))
    memory = harness.api_client().application.extensions["incidentwire.memory"]
    with memory.now() as incidents:
        assert "n_lost" in incidents.state.by_id
    cut(harness.connection, kept)
    harness.log.append("i_c", ItemSubmitted(via="test"))
    with memory.now() as incidents:
        assert "n_lost" not in incidents.state.by_id
        assert incidents.position == harness.log.last()


def test_a_running_projector_waits_while_the_store_is_read_only(
    own_harness: Harness, own_store: Store
) -> None:
    own_harness.add_item("i_a", "Before.")
    projector = own_harness.run_projector()
    client = own_harness.api_client()
    eventually(lambda: client.get("/v1/items/i_a").status_code == 200)
    connection = own_store.connect()
    connection.execute_command("replicaof", "127.0.0.1", "1")
    assert client.get("/v1/items/i_a").status_code == 200
    connection.execute_command("replicaof", "no", "one")
    last = own_harness.add_item("i_b", "After.")
    eventually(
        lambda: client.get(f"/v1/items/i_b?min_position={last}").status_code == 200
    )
    assert projector.poll() is None


def test_readiness_is_told_while_the_store_hangs(
    own_harness: Harness, own_store: Store
) -> None:
    own_harness.add_item("i_a", "Before.")
    own_harness.projector().catch_up()
    client = own_harness.api_client()
    assert client.get("/readyz").status_code == 200
    assert own_store.process is not None
    os.kill(own_store.process.pid, signal.SIGSTOP)
    try:
        answer = client.get("/readyz")
    finally:
        os.kill(own_store.process.pid, signal.SIGCONT)
    assert answer.status_code == 503
    assert answer.get_json()["detail"] == "The store does not answer in time."


def test_other_users_of_the_machine_cannot_read_it(harness: Harness) -> None:
    harness.add_item("i_a")
    projector = harness.projector()
    projector.catch_up()
    for path in harness.settings.read_model.parent.iterdir():
        if not path.is_symlink():
            assert path.stat().st_mode & 0o077 == 0, path
