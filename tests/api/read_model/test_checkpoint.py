"""A start from the checkpoint is a start from the log: the same state, sooner; what does not fit is passed over."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidentwire.log.checkpoint import DIGEST_BYTES, InvalidCheckpoint
from incidentwire.log.event_log import LOG_ID, EventLog
from services.api.errors import StillFolding
from services.api.incidents import state_cache
from services.api.incidents.state_cache import StateCache
from services.api.read_model import checkpoint
from services.api.read_model.checkpoint import NAME, IncidentCheckpoint, fold_until
from services.api.read_model.checkpoint_codec import pack, unpack
from services.api.read_model.incident_state import IncidentProjection
from tests.harness import Harness
from tests.incident_steps import STEP, RecordedSteps, incident_tables, take
from tests.newsroom import FAKE, LEAK, Newsroom

READ = "checkpoint of incidents read"
IGNORED = "checkpoint of incidents ignored"


@pytest.fixture(autouse=True)
def _hear(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def everything(happenings: IncidentProjection) -> Any:
    kept = {
        name: list(of)
        for name, of in vars(happenings.state).items()
        if isinstance(of, dict)
    }
    return (
        happenings.state,
        {name: kept[name] for name in ("by_id", "mentions_of_item")},
        happenings.stamps,
        happenings.linked,
        happenings.position,
        happenings.state.commands,
        happenings.dirty_incidents,
        happenings.dirty_mentions,
    )


def folded(log: EventLog, position: int) -> IncidentProjection:
    happenings = IncidentProjection()
    fold_until(happenings, log, position)
    return happenings


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=30), cut=st.integers(0, 99))
def test_a_checkpoint_and_the_tail_make_what_the_whole_log_makes(
    harness: Harness, steps: list[Any], cut: int
) -> None:
    harness.connection.flushdb()
    log = harness.log = EventLog(harness.connection)
    written = RecordedSteps(log)
    for step in steps:
        take(written, step)
    last = log.last()
    again = unpack(memoryview(pack(folded(log, min(cut, last)))))
    assert everything(again) == everything(folded(log, min(cut, last)))
    fold_until(again, log, last)
    assert everything(again) == everything(folded(log, last))


@pytest.fixture
def room(harness: Harness) -> Newsroom:
    """Two incidents, and the checkpoint that a projector left when it stopped."""
    room = Newsroom(harness)
    room.ids["a"] = room.add("i_a1", (LEAK,), title="Records lay open")
    room.ids["b"] = room.add("i_b1", (FAKE,), title="A cloned voice")
    room.grow()
    room.command(room.ids["b"], "merge", into=room.ids["a"], into_version=0)
    room.projector.close()
    return room


def path(room: Newsroom) -> Path:
    return room.harness.settings.read_model.with_name(NAME)


def start(room: Newsroom) -> IncidentProjection:
    """Return what a web process that starts now has in mind."""
    with StateCache(
        room.harness.connection, IncidentCheckpoint(path(room))
    ).now() as happenings:
        return happenings


def test_web_processes_and_the_projector_start_from_it(
    room: Newsroom, caplog: pytest.LogCaptureFixture
) -> None:
    taken_at = room.log.last()
    a = room.ids["a"]
    room.client = room.harness.api_client()  # a process that starts now
    room.client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {room.key}"
    room.projector = room.harness.projector()
    assert room.command(a, "status", status="confirmed", version=1)["version"] == 2
    read = [
        record.getMessage() for record in caplog.records if READ in record.getMessage()
    ]
    assert read == [f"{READ} position={taken_at}"] * 2  # each once
    assert everything(start(room)) == everything(folded(room.log, room.log.last()))
    kept = incident_tables(room.harness)
    room.harness.settings.read_model.unlink()
    room.harness.projector().catch_up()
    assert incident_tables(room.harness) == kept


def test_a_web_process_reads_it_beside_what_it_serves(room: Newsroom) -> None:
    harness = room.harness
    last = room.log.last()
    harness.run_web()
    status, page = harness.get(f"/v1/incidents?as_of={last}")
    assert (status, [incident["id"] for incident in page["incidents"]]) == (
        200,
        [room.ids["a"]],
    )
    result = (harness.settings.data_dir / "services.api.web.0.log").read_text()
    assert f"{READ} position={last}" in result


def test_time_travel_goes_before_and_behind_it(
    room: Newsroom, caplog: pytest.LogCaptureFixture
) -> None:
    taken_at = room.log.last()
    room.add("i_b2", (FAKE,))
    memory = StateCache(room.harness.connection, IncidentCheckpoint(path(room)))
    for position in (0, 3, taken_at - 1, taken_at, taken_at + 2, room.log.last()):
        assert everything(memory.at(position)) == everything(folded(room.log, position))
    assert IGNORED not in caplog.text


def test_one_request_folds_so_much_and_the_next_goes_on(
    room: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_cache, "FOLDED_AT_ONCE", 3)
    path(room).unlink()
    memory = StateCache(room.harness.connection, IncidentCheckpoint(path(room)))
    for position in (room.log.last(), room.log.last() - 1):
        refusals = []
        while len(refusals) < room.log.last():
            try:
                found = memory.at(position)
                break
            except StillFolding as error:
                refusals.append(str(error))
        assert len(refusals) == len(set(refusals)) > 1
        assert everything(found) == everything(folded(room.log, position))


def test_it_is_written_again_when_much_was_folded(
    room: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 8)
    happenings = start(room)
    taken_at = room.log.last()
    checkpoints = IncidentCheckpoint(path(room))
    checkpoints.load(room.log, taken_at)
    room.command(room.ids["a"], "notes", note="one more event")
    fold_until(happenings, room.log, taken_at + 1)
    checkpoints.save_when_due(room.log, room.log.id, happenings)
    checkpoints.wait()
    assert written_at(room) == taken_at
    room.add("i_b2", (FAKE,))
    room.add("i_b3", (FAKE,))
    fold_until(happenings, room.log, room.log.last())
    checkpoints.save_when_due(room.log, room.log.id, happenings)
    checkpoints.wait()
    assert written_at(room) == happenings.position == room.log.last()


def written_at(room: Newsroom) -> int:
    found = IncidentCheckpoint(path(room)).load(room.log, room.log.last())
    assert found is not None
    return found.position


def tear(room: Newsroom) -> None:
    path(room).write_bytes(path(room).read_bytes()[:-9])


def change(room: Newsroom) -> None:
    """Other contents, well formed, under the checksum that was there."""
    data = path(room).read_bytes()
    start = data.index(b"\n") + 1
    end = len(data) - DIGEST_BYTES
    happenings = unpack(memoryview(data[start:end]))
    happenings.state.commands += 1
    path(room).write_bytes(data[:start] + pack(happenings) + data[end:])


def restore_as_another(room: Newsroom) -> None:
    room.harness.connection.set(LOG_ID, "restored")
    room.log = EventLog(room.harness.connection)


def grow_otherwise(room: Newsroom) -> None:
    """Restore the log from a backup, keep its id, and append other events."""
    log_id = room.log.id
    room.harness.connection.flushdb()
    room.harness.connection.set(LOG_ID, log_id)
    for n in range(4):
        room.add(f"i_other{n}", (LEAK,))


SPOILED: dict[str, Callable[[Newsroom], object]] = {
    "torn": tear,
    "changed": change,
    "empty": lambda room: path(room).write_bytes(b""),
    "of another log": restore_as_another,
    "another entry there": grow_otherwise,
    "a folder": lambda room: (path(room).unlink(), path(room).mkdir()),
}


@pytest.mark.parametrize("how", SPOILED)
def test_what_does_not_fit_is_ignored_with_a_word_in_the_log(
    room: Newsroom, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    SPOILED[how](room)
    assert everything(start(room)) == everything(folded(room.log, room.log.last()))
    assert IGNORED in caplog.text
    assert READ not in caplog.text


def test_what_other_code_made_is_ignored(
    room: Newsroom,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    changed = tmp_path / "changed.py"
    changed.write_bytes(checkpoint.MADE_BY[-1].read_bytes() + b"# changed\n")
    monkeypatch.setattr(checkpoint, "MADE_BY", (*checkpoint.MADE_BY[:-1], changed))
    checkpoint.code.cache_clear()
    try:
        assert everything(start(room)) == everything(folded(room.log, room.log.last()))
    finally:
        checkpoint.code.cache_clear()
    assert "other code wrote it" in caplog.text


def test_deleting_it_is_safe(room: Newsroom, caplog: pytest.LogCaptureFixture) -> None:
    path(room).unlink()
    assert everything(start(room)) == everything(folded(room.log, room.log.last()))
    assert IGNORED not in caplog.text
    projector = room.harness.projector()
    room.add("i_late", (LEAK,))
    projector.catch_up()
    projector.close()
    assert written_at(room) == room.log.last()


def test_a_projector_whose_log_was_replaced_writes_none(room: Newsroom) -> None:
    projector = room.harness.projector()
    room.add("i_late", (LEAK,))
    projector.catch_up()
    path(room).unlink()
    restore_as_another(room)
    projector.close()
    assert not path(room).exists()


def test_a_disk_that_refuses_it_stops_nobody(
    room: Newsroom, caplog: pytest.LogCaptureFixture
) -> None:
    path(room).with_name(f"{NAME}.part").mkdir()
    projector = room.harness.projector()
    room.add("i_late", (LEAK,))
    projector.catch_up()
    projector.close()
    assert "not written" in caplog.text


@pytest.mark.parametrize(
    "data", [b"", b"nothing packed", pack(IncidentProjection())[:-3]]
)
def test_other_bytes_are_no_happenings(data: bytes) -> None:
    with pytest.raises(InvalidCheckpoint):
        unpack(memoryview(data))
