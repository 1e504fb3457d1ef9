"""The read model: kept by the projector, deleted and grown back, never serving what was withdrawn."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidentwire import events as e
from incidentwire.documents import StoredDocument
from incidentwire.labels import LABELS
from incidentwire.log.codec import UnknownType
from incidentwire.log.event_log import LOG_ID, STREAM, EventLog
from incidentwire.log.recorded_event import RecordedEvent
from services.api.read_model import changes, database
from services.api.read_model.incident_state import IncidentProjection
from tests.eventually import eventually
from tests.harness import Harness

TABLES = (
    "items",
    "item_labels",
    "documents",
    "state_counts",
    "label_counts",
    "checkpoint",
)


def contents(harness: Harness) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, and every word of the index with where it stands."""
    db = sqlite3.connect(harness.settings.read_model)
    try:
        rows = {
            table: db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in TABLES
        }
        db.execute(
            "CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab (main, words, instance)"
        )
        rows["words"] = db.execute(
            "SELECT * FROM temp.vocabulary ORDER BY 1, 2, 3, 4"
        ).fetchall()
        rows["state_counts"] = [row for row in rows["state_counts"] if row[1]]
        rows["label_counts"] = [row for row in rows["label_counts"] if row[1]]
        return rows
    finally:
        db.close()


def test_an_event_type_of_a_newer_release_stops_the_projector() -> None:
    entry = RecordedEvent(
        position=1, type="item.dreamt:2", subject="i_a", time_ms=0, data="{}"
    )
    with pytest.raises(UnknownType, match=r"item\.dreamt.*update Incidentwire"):
        changes.apply(changes.Changes({}, IncidentProjection()), entry)


def test_it_follows_the_log(harness: Harness) -> None:
    harness.add_item(
        "i_a", "Passwords of many people were exposed.", labels=("data_leak",)
    )
    harness.run_projector()
    client = harness.api_client()
    eventually(lambda: client.get("/v1/items").status_code == 200)
    last = harness.add_item("i_b", "A quiet day.")
    page = client.get(f"/v1/items?min_position={last}").get_json()
    assert [item["id"] for item in page["items"]] == ["i_b", "i_a"]
    assert page["position"] == last


def test_after_kill_9_it_goes_on_where_it_was_and_ends_the_same(
    harness: Harness,
) -> None:
    for n in range(300):
        harness.add_item(
            f"i_{n}",
            f"Story number {n} about cameras.",
            labels=("consent",) if n % 3 else (),
        )
    for _ in range(4):
        projector = harness.run_projector()
        eventually(harness.settings.read_model.exists)
        projector.kill()
        projector.wait()
        harness.add_item(f"i_x{len(harness.processes)}", "More.")
    harness.projector().catch_up()
    kept = contents(harness)
    assert kept["checkpoint"][0][1] == harness.log.last()
    harness.delete_read_model()
    harness.projector().catch_up()
    assert contents(harness) == kept


def test_a_deleted_read_model_grows_back_under_a_running_projector(
    harness: Harness,
) -> None:
    last = harness.add_item("i_a", "Voices were cloned.", labels=("deepfake",))
    harness.run_projector()
    client = harness.api_client()
    eventually(lambda: client.get("/v1/items/i_a").status_code == 200)
    before = contents(harness)
    harness.delete_read_model()
    eventually(
        lambda: client.get(f"/v1/items/i_a?min_position={last}").status_code == 200
    )
    eventually(lambda: contents(harness) == before)


def test_a_log_restored_from_a_backup_makes_it_rebuild(harness: Harness) -> None:
    harness.add_item("i_a")
    harness.projector().catch_up()
    harness.connection.set(LOG_ID, "restored")
    harness.projector().catch_up()
    assert contents(harness)["checkpoint"][0][2] == "restored"
    harness.connection.delete(STREAM)
    harness.connection.delete("iw:subject:i_a")
    harness.projector().catch_up()
    assert contents(harness)["items"] == []


def test_a_damaged_file_is_rebuilt(harness: Harness) -> None:
    harness.add_item("i_a")
    harness.projector().catch_up()
    before = contents(harness)
    harness.settings.read_model.resolve().write_bytes(b"this is no database" * 1000)
    harness.projector().catch_up()
    assert contents(harness) == before


def test_readers_notice_the_new_file_and_old_files_go(harness: Harness) -> None:
    harness.add_item("i_a")
    harness.projector().catch_up()
    client = harness.api_client()
    assert client.get("/v1/items/i_a").status_code == 200
    harness.connection.set(LOG_ID, "restored")
    harness.add_item("i_b")
    harness.projector().catch_up()
    assert client.get("/v1/items").get_json()["log_id"] == "restored"
    files = [
        path.name
        for path in harness.settings.read_model.parent.glob("*.sqlite")
        if not path.is_symlink()
    ]
    assert files == ["read_model.2.sqlite"]


def test_a_second_projector_is_refused(harness: Harness) -> None:
    harness.run_projector()
    eventually(harness.settings.read_model.exists)
    assert harness.run_projector().wait(timeout=60) == 1


def test_sigterm_ends_it_in_good_order(harness: Harness) -> None:
    harness.add_item("i_a")
    projector = harness.run_projector()
    eventually(harness.settings.read_model.exists)
    projector.send_signal(signal.SIGTERM)
    assert projector.wait(timeout=60) == 0


@pytest.mark.parametrize("data", ['{"via":', "[]", "null", "{}"])
def test_a_damaged_event_is_named_with_its_position(
    harness: Harness, data: str
) -> None:
    harness.add_item("i_a")
    row = {"t": "item.submitted", "s": "i_a", "at": 1, "d": data}
    harness.connection.xadd(STREAM, row, id="4-0")
    harness.connection.hset("iw:subject:i_a", "p", "1,2,3,4")
    with pytest.raises(UnknownType, match="position 4 cannot be read"):
        harness.projector().catch_up()
    answer = harness.api_client().get("/v1/items/i_a/evidence.warc.gz")
    assert answer.status_code == 503
    assert "position 4 cannot be read" in answer.get_json()["detail"]


def test_an_unknown_type_stops_it_loudly_and_changes_nothing(harness: Harness) -> None:
    harness.add_item("i_a")
    harness.projector().catch_up()
    before = contents(harness)
    harness.connection.xadd(
        STREAM,
        {"t": "item.submitted", "s": "i_b", "at": 1, "d": '{"via":"t"}'},
        id="4-0",
    )
    harness.connection.xadd(
        STREAM, {"t": "item.dreamt", "s": "i_b", "at": 1, "d": "{}"}, id="5-0"
    )
    with pytest.raises(UnknownType):
        harness.projector().catch_up()
    assert contents(harness) == before
    assert harness.run_projector().wait(timeout=60) == 1


def test_the_words_of_a_batch_are_one_segment_of_the_index(harness: Harness) -> None:
    for n in range(3):
        harness.add_item(f"i_{n}", f"Story number {n}.", labels=("consent",))
    harness.projector().catch_up()
    with closing(sqlite3.connect(harness.settings.read_model)) as db:
        segments = db.execute("SELECT DISTINCT segid FROM words_idx").fetchall()
    assert len(segments) == 1


def test_a_cut_log_stops_it_loudly(harness: Harness) -> None:
    for n in range(5):
        harness.add_item(f"i_{n}")
    harness.connection.xtrim(STREAM, maxlen=3, approximate=False)
    with pytest.raises(ValueError, match="begins at 13"):
        harness.projector().catch_up()


def test_no_word_of_a_withdrawn_item_is_left_in_any_file(harness: Harness) -> None:
    words = ("zanzibarquartz", "vermilionkestrel", "obsidianmarzipan")
    harness.add_item(
        "i_a", " ".join(words), title="Thistledownparade opens", labels=("data_leak",)
    )
    for n in range(50):
        harness.add_item(f"i_{n}", f"Another story, number {n}.")
    projector = harness.projector()
    projector.catch_up()
    client = harness.api_client()
    assert [
        i["id"] for i in client.get("/v1/items?q=vermilionkestrel").get_json()["items"]
    ] == ["i_a"]
    harness.log.append(
        "i_a", e.ItemWithdrawn(who="admin", labels_before=("data_leak",))
    )
    harness.archive.delete("i_a")
    projector.catch_up()
    assert client.get("/v1/items?q=vermilionkestrel").get_json()["items"] == []
    item = client.get("/v1/items/i_a").get_json()
    assert (item["state"], item["title"], item["labels"]) == ("withdrawn", None, [])
    assert client.get("/v1/items/i_a/text").status_code == 410
    for word in (*words, "thistledownparade"):
        assert not files_with(harness.settings.read_model.parent, word), word


def test_it_does_without_documents_that_are_gone(harness: Harness) -> None:
    harness.add_item("i_a", "Some text.", labels=("consent",))
    harness.archive.delete("i_a")
    harness.projector().catch_up()
    item = harness.api_client().get("/v1/items/i_a").get_json()
    assert (item["title"], item["labels"][0]["evidence"][0]["quote"]) == (None, None)


def files_with(folder: Path, word: str) -> list[str]:
    """Return the files that hold a trace of the word: FTS5 stores what a word has in common with the one before it once, so
    its end alone counts."""
    return [
        path.name
        for path in folder.iterdir()
        if word.encode()[-8:] in path.read_bytes().lower()
    ]


# -- any history -----------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["i_a", "i_b", "i_c"])
LABEL_TUPLES = st.lists(st.sampled_from(LABELS), unique=True).map(tuple)
TEXTS = st.sampled_from(
    ["Faces were swapped in a video.", "未经同意采集人脸", "A fine of two million.", ""]
)
STEPS = st.lists(
    st.tuples(
        NAMES,
        st.sampled_from(sorted(n for n in e.TYPES if n.startswith("item."))),
        LABEL_TUPLES,
        TEXTS,
    ),
    max_size=40,
)


def fact(
    harness: Harness, name: str, type_name: str, labels: Any, text: str
) -> e.Event:
    document = StoredDocument(title=text[:9], text=text)
    match type_name:
        case "item.fetched":
            digest = harness.archive.put(name, document.to_bytes())
            return e.ItemFetched(
                document_digest=digest,
                text_digest=document.text_digest,
                words=len(text.split()),
            )
        case "item.rejected":
            return e.ItemRejected(reason="empty")
        case "item.deferred":
            return e.ItemDeferred(
                reason="timeout", attempt=1, next_try="2040-01-01T00:00:00Z"
            )
        case "item.classified":
            evidence = {label: ((0, 3),) for label in labels}
            return e.ItemClassified(
                text_digest=document.text_digest,
                model="m",
                scores={},
                labels=labels,
                evidence=evidence,
            )
        case "item.corrected":
            return e.ItemCorrected(who="ann", labels=labels, withdrawn=not labels)
        case "item.reviewed":
            return e.ItemReviewed(who="ann", withdrawn=not labels)
        case "item.withdrawn":
            return e.ItemWithdrawn(who="ann")
        case "item.expired":
            return e.ItemExpired(what="all" if labels else "page")
        case "item.aliased":
            return e.ItemAliased(into="i_c")
        case "item.text_supplied":
            return e.ItemTextSupplied(who="ann", given_digest="d")
        case "item.retry_requested":
            return e.ItemRetryRequested(who="ann")
        case "item.reclassify_requested":
            return e.ItemReclassifyRequested(who="ann")
        case _:
            return e.ItemSubmitted(via="ann", url=f"https://news.example.org/{name}")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, cuts=st.sets(st.integers(0, 40)))
def test_any_history_gives_the_same_rows_live_and_rebuilt(
    harness: Harness, steps: list[Any], cuts: set[int]
) -> None:
    harness.connection.flushdb()
    harness.log = EventLog(harness.connection)
    live = harness.projector()
    for n, (name, type_name, labels, text) in enumerate(steps):
        if not harness.connection.hget(f"iw:subject:{name}", "gone"):
            harness.log.append(name, fact(harness, name, type_name, labels, text))
        if n in cuts:
            live.catch_up()
    live.catch_up()
    kept = contents(harness)
    harness.delete_read_model()
    harness.projector().catch_up()
    assert contents(harness) == kept
    counted = dict(kept["state_counts"])
    assert sum(counted.values()) == len(kept["items"])


def test_generations_are_numbered_on(tmp_path: Path) -> None:
    link = tmp_path / "read_model.sqlite"
    for n in (1, 2, 10):
        assert (
            database.next_generation(link).name == f"read_model.{n}.sqlite" or n == 10
        )
        (tmp_path / f"read_model.{n}.sqlite").touch()
    assert database.next_generation(link).name == "read_model.11.sqlite"
