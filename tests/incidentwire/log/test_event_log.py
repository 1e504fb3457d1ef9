"""The log keeps its promises: no gaps, one effect per claim, event and job together, nothing lost in a kill."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
import redis

from incidentwire import queue
from incidentwire.events import (
    ItemDeferred,
    ItemRejected,
    ItemRetryRequested,
    ItemSubmitted,
    ItemWithdrawn,
)
from incidentwire.log.event_log import (
    IN_FLIGHT,
    STREAM,
    AppendRequest,
    EventLog,
    VersionConflict,
    Withdrawn,
)
from tests.store import Store


def submitted(n: int = 0) -> ItemSubmitted:
    return ItemSubmitted(url=f"https://example.org/{n}", via="test")


def test_positions_are_1_2_3_without_gaps_however_many_write(
    log: EventLog, store: Store
) -> None:
    def write(worker: int) -> None:
        mine = EventLog(store.connect())
        for n in range(50):
            mine.append(f"i_{worker}x{n}", submitted(n))

    writers = [threading.Thread(target=write, args=(w,)) for w in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [entry.position for entry in log.read()] == list(range(1, 401))
    assert (log.first(), log.last(), log.is_gapless()) == (1, 400, True)


def test_a_claim_lets_it_happen_once(log: EventLog) -> None:
    log.append("i_a", submitted())
    first = log.append("i_a", ItemRejected(reason="empty"), idempotency_key="ended:1")
    again = log.append("i_a", ItemRejected(reason="timeout"), idempotency_key="ended:1")
    assert (first.new, again.new, again.last) == (True, False, first.last)
    assert [e.type for e in log.history("i_a")] == ["item.submitted", "item.rejected"]


def test_a_stale_version_is_refused_and_says_the_current_one(log: EventLog) -> None:
    log.append("i_a", submitted(), expected_versions={"i_a": 0})
    with pytest.raises(VersionConflict) as caught:
        log.append("i_a", submitted(), expected_versions={"i_a": 0})
    assert (caught.value.subject, caught.value.version) == ("i_a", 1)
    assert log.last() == 1


def test_a_unit_is_written_whole_or_not_at_all_and_its_neighbours_stand(
    log: EventLog,
) -> None:
    log.append("i_b", submitted())
    results = log.append_many(
        [
            AppendRequest(events=[("i_a", submitted())], expected_versions={"i_a": 0}),
            AppendRequest(
                events=[("i_c", submitted()), ("i_b", ItemRetryRequested(who="x"))],
                expected_versions={"i_c": 0, "i_b": 0},
            ),
            AppendRequest(events=[("i_d", submitted())], expected_versions={"i_d": 0}),
        ]
    )
    assert isinstance(results[1], VersionConflict)
    assert [(e.position, e.subject) for e in log.read()] == [
        (1, "i_b"),
        (2, "i_a"),
        (3, "i_d"),
    ]


def test_nothing_is_appended_to_a_withdrawn_item(log: EventLog) -> None:
    log.append("i_a", submitted())
    log.append("i_a", ItemWithdrawn(who="admin"))
    with pytest.raises(Withdrawn):
        log.append("i_a", ItemRejected(reason="late"))
    assert log.last() == 2


def test_what_is_in_flight_follows_the_events(
    log: EventLog, connection: redis.Redis
) -> None:
    log.append("i_a", submitted())
    log.append("i_b", submitted())
    assert connection.zrange(IN_FLIGHT, 0, -1) == [b"i_a", b"i_b"]
    log.append(
        "i_a",
        ItemDeferred(reason="timeout", attempt=1, next_try="2040-01-01T00:00:00Z"),
    )
    assert (
        connection.zscore(IN_FLIGHT, "i_a")
        == datetime(2040, 1, 1, tzinfo=UTC).timestamp()
    )
    log.append("i_b", ItemRejected(reason="empty"))
    assert connection.zrange(IN_FLIGHT, 0, -1) == [b"i_a"]


def test_time_never_runs_back_and_finds_positions(
    log: EventLog, connection: redis.Redis
) -> None:
    future = int((datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1000)
    connection.xadd(
        STREAM,
        {"t": "item.submitted", "s": "i_z", "at": future, "d": '{"via":"t"}'},
        id="1-0",
    )
    log.append("i_a", submitted())
    assert [e.time_ms for e in log.read()] == [future, future]
    at = datetime.fromtimestamp(future / 1000, UTC)
    assert log.position_at(at) == 2
    assert log.position_at(at - timedelta(milliseconds=1)) == 0


def test_event_and_job_commit_together(log: EventLog, connection: redis.Redis) -> None:
    classify = queue.open_queue(queue.CLASSIFY, connection)
    log.append(
        "i_a",
        submitted(),
        in_same_transaction=queue.jobs_for(classify, queue.WORK_ON_ITEMS, [["i_a"]]),
    )
    assert queue.queued_items([classify]) == {"i_a"}

    def broken(pipe: redis.client.Pipeline) -> None:
        queue.jobs_for(classify, queue.WORK_ON_ITEMS, [["i_b"]])(pipe)
        raise RuntimeError("the process dies before EXEC")

    with pytest.raises(RuntimeError):
        log.append("i_b", submitted(), in_same_transaction=broken)
    assert log.last() == 1
    assert queue.queued_items([classify]) == {"i_a"}


def test_follow_yields_what_comes_and_an_empty_batch_in_silence(log: EventLog) -> None:
    batches = log.follow(0, wait_s=0.05)
    assert next(batches) == []
    log.append("i_a", submitted())
    assert [e.position for e in next(batches)] == [1]
    assert next(batches) == []


def test_follow_waits_no_longer_than_its_client_would(
    connection: redis.Redis,
) -> None:
    options = connection.connection_pool.connection_kwargs | {"socket_timeout": 0.5}
    impatient = redis.Redis.from_pool(redis.ConnectionPool(**options))
    assert next(EventLog(impatient).follow(0, wait_s=60)) == []


def test_a_cut_log_is_noticed(log: EventLog, connection: redis.Redis) -> None:
    for n in range(5):
        log.append(f"i_{n}", submitted(n))
    assert log.is_gapless()
    connection.xtrim(STREAM, maxlen=3, approximate=False)
    assert not log.is_gapless()
    connection.delete(STREAM)
    connection.xadd(STREAM, {"t": "x", "s": "y", "at": 1, "d": "{}"}, id="1-0")
    connection.xadd(STREAM, {"t": "x", "s": "y", "at": 1, "d": "{}"}, id="3-0")
    assert not log.is_gapless()


def test_what_was_acknowledged_survives_kill_9_of_the_store(own_store: Store) -> None:
    acknowledged: list[int] = []
    stopped = threading.Event()

    def write(worker: int) -> None:
        mine = EventLog(own_store.connect())
        n = 0
        while not stopped.is_set():
            try:
                acknowledged.append(mine.append(f"i_{worker}x{n}", submitted(n)).last)
            except redis.ConnectionError:
                return
            n += 1

    writers = [threading.Thread(target=write, args=(w,)) for w in range(4)]
    for writer in writers:
        writer.start()
    while len(acknowledged) < 300:
        assert any(writer.is_alive() for writer in writers)
    own_store.kill()
    stopped.set()
    for writer in writers:
        writer.join()
    own_store.start()
    log = EventLog(own_store.connect())
    kept = {entry.position for entry in log.read()}
    assert set(acknowledged) <= kept
    assert log.is_gapless()


def test_an_append_works_after_the_store_forgot_its_scripts(own_store: Store) -> None:
    connection = own_store.connect()
    log = EventLog(connection)
    classify = queue.open_queue(queue.CLASSIFY, connection)
    log.append(
        "i_a",
        submitted(),
        in_same_transaction=queue.jobs_for(classify, queue.WORK_ON_ITEMS, [["i_a"]]),
    )
    own_store.kill()
    own_store.start()
    log.append(
        "i_b",
        submitted(),
        in_same_transaction=queue.jobs_for(classify, queue.WORK_ON_ITEMS, [["i_b"]]),
    )
    assert [e.subject for e in log.read()] == ["i_a", "i_b"]
    assert queue.queued_items([classify]) == {"i_a", "i_b"}


def test_the_log_has_one_identity(log: EventLog, store: Store) -> None:
    assert log.id == EventLog(store.connect()).id
    assert len(log.id) == 16
