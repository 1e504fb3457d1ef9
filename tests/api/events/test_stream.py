"""A subscriber misses nothing, gets nothing twice, and can prove it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
from functools import partial
from pathlib import Path

import pytest

from incidentwire.events import ItemRejected, ItemSubmitted
from incidentwire.log.event_log import LOG_ID, STREAM
from incidentwire.log.log_position import LogPosition
from services.api.errors import TooManyStreamsOfKey
from services.api.events.broadcaster import Broadcaster
from services.api.events.filters import EventFilter
from services.api.events.subscriber import Subscriber
from tests.event_stream import Closed
from tests.eventually import eventually
from tests.harness import Harness


def submit(harness: Harness, count: int, first: int = 0) -> None:
    for n in range(first, first + count):
        harness.log.append(
            f"i_{n}", ItemSubmitted(url=f"https://news.example.org/{n}", via="test")
        )


def test_a_stream_begins_now_and_brings_what_comes(harness: Harness) -> None:
    submit(harness, 3)
    harness.run_web()
    stream = harness.subscribe()
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert (stream.headers["cache-control"], stream.headers["x-accel-buffering"]) == (
        "no-store",
        "no",
    )
    submit(harness, 1, first=3)
    message = stream.next()
    assert (message.id, message.event) == (4, "item.submitted")
    assert message.data["data"]["url"] == "https://news.example.org/3"
    assert message.data["source"] == f"urn:incidentwire:{harness.log.id}"


def test_it_resumes_behind_the_last_event_id_which_stands_over_the_query(
    harness: Harness,
) -> None:
    submit(harness, 5)
    harness.run_web()
    assert harness.subscribe("?after=0").take(5) == [1, 2, 3, 4, 5]
    assert harness.subscribe("?after=0", **{"Last-Event-ID": "3"}).take(2) == [4, 5]


def test_subscribers_that_join_while_a_writer_appends_at_full_speed_miss_nothing(
    harness: Harness,
) -> None:
    submit(harness, 3000)
    harness.run_web()
    done = threading.Event()

    def write() -> None:
        n = 3000
        while not done.is_set():
            submit(harness, 1, first=n)
            n += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for after in (0, 0, 1500, 2990, *(None for _ in range(30))):
            stream = harness.subscribe("" if after is None else f"?after={after}")
            count = 300 if after is None else 3600 - after
            positions = stream.take(count)
            assert positions == list(range(positions[0], positions[0] + count))
            assert after is None or positions[0] == after + 1
            stream.close()
    finally:
        done.set()
        writer.join()


def test_many_subscribers_all_get_every_event_of_a_burst(harness: Harness) -> None:
    harness.run_web()
    streams = [harness.subscribe() for _ in range(50)]
    submit(harness, 400)
    for stream in streams:
        assert stream.take(400) == list(range(1, 401))


def test_a_filtered_stream_brings_what_it_asked_for_and_checkpoints_for_the_rest(
    quick_harness: Harness,
) -> None:
    harness = quick_harness
    harness.run_web()
    rejected = harness.subscribe("?type=item.rejected")
    leaks = harness.subscribe("?label=data_leak")
    of_one = harness.subscribe("?subject=i_1&type=item.")
    asked = harness.subscribe("?q=label:data_leak+OR+type:item.rejected+-subject:i_2")
    submit(harness, 3)
    harness.log.append("i_1", ItemRejected(reason="empty"))
    last = harness.add_item("i_leak", labels=("data_leak",))
    assert rejected.next().id == 4
    assert leaks.next().id == last
    assert of_one.take(2) == [2, 4]
    assert asked.take(2) == [4, last]
    checkpoint = rejected.next()
    assert (checkpoint.event, checkpoint.id) == ("checkpoint", last)
    assert checkpoint.data == {"position": last, "matched": 1, "log_id": harness.log.id}


def test_a_filtered_catch_up_says_how_far_it_looked(harness: Harness) -> None:
    submit(harness, 250)
    harness.run_web()
    stream = harness.subscribe("?type=item.rejected&after=0")
    harness.log.append("i_1", ItemRejected(reason="empty"))
    messages = [stream.next()]
    while messages[-1].event == "checkpoint":
        messages.append(stream.next())
    assert messages[-1].id == 251
    assert messages[0].id >= 100


@pytest.mark.parametrize("query", ["?after=99", "?after=1&log_id=of-another"])
def test_a_position_that_this_log_never_had_is_answered_by_a_gap(
    harness: Harness, query: str
) -> None:
    submit(harness, 3)
    harness.run_web()
    stream = harness.subscribe(query)
    gap = stream.next()
    assert (gap.event, gap.id) == ("gap", 3)
    assert gap.data == {
        "first": 1,
        "last": 3,
        "log_id": harness.log.id,
        "load": "/v1/items?min_position=3",
    }
    submit(harness, 1, first=3)
    assert stream.take(1) == [4]


def test_history_that_is_gone_is_answered_by_a_gap_and_the_rest_follows(
    harness: Harness,
) -> None:
    submit(harness, 6000)
    harness.connection.xtrim(STREAM, maxlen=5000, approximate=False)
    harness.run_web()
    stream = harness.subscribe("?after=10")
    gap = stream.next()
    assert (gap.event, gap.id, gap.data["first"]) == ("gap", 1000, 1001)
    assert stream.take(3) == [1001, 1002, 1003]


def test_a_log_that_is_replaced_under_open_streams_is_told_at_once(
    harness: Harness,
) -> None:
    submit(harness, 5)
    harness.run_web()
    stream = harness.subscribe()
    with harness.connection.pipeline(
        transaction=True
    ) as restore:  # as one moment: no reader sees half of it
        restore.delete(STREAM)
        restore.set(LOG_ID, "restored")
        restore.execute()
    gap = stream.next()
    assert (gap.event, gap.id, gap.data["log_id"]) == ("gap", 0, "restored")
    submit(harness, 1, first=9)
    assert stream.next().data["source"] == "urn:incidentwire:restored"


def test_a_reader_that_does_not_read_is_closed_and_the_others_notice_nothing(
    harness: Harness,
) -> None:
    harness.projector().catch_up()
    harness.run_web()
    slow = harness.subscribe()
    good = harness.subscribe()
    note = "x" * 20_000
    written = 0
    while harness.get("/v1/stats")[1]["open_streams"] == 2:
        for _ in range(20):
            harness.log.append("i_a", ItemRejected(reason="empty", detail=note))
            written += 1
        assert good.take(20) == list(range(written - 19, written + 1))
        assert written < 5000, "the slow reader was never closed"
    messages, clean = slow.until_closed()
    last = len(messages)
    assert [message.id for message in messages] == list(range(1, last + 1))
    assert not clean
    resumed = harness.subscribe(**{"Last-Event-ID": str(last)})
    assert resumed.take(written - last) == list(range(last + 1, written + 1))


def test_a_subscriber_that_goes_away_frees_its_place(small_harness: Harness) -> None:
    harness = small_harness
    harness.projector().catch_up()
    harness.run_web()
    streams = [harness.subscribe() for _ in range(5)]
    refused = harness.subscribe()
    assert (refused.status, refused.headers["retry-after"]) == (503, "10")
    streams[0].close()  # a reset, since it has not read everything
    streams[1].sock.shutdown(socket.SHUT_WR)  # a proper end
    eventually(lambda: harness.get("/v1/stats")[1]["open_streams"] == 3)
    assert harness.subscribe().status == 200


def test_a_subscriber_that_went_away_while_catching_up_takes_no_seat(
    harness: Harness,
) -> None:
    broadcaster = Broadcaster(harness.connection, heartbeat_s=15, max_streams=1)
    broadcaster.reached = LogPosition(log_id=harness.log.id)
    subscriber = Subscriber(EventFilter(), None)
    subscriber.end("gone")
    assert broadcaster.join(subscriber, LogPosition(log_id=harness.log.id))
    assert broadcaster.subscribers() == []


def test_a_subscriber_that_has_read_further_than_the_hub_gets_nothing_twice(
    harness: Harness,
) -> None:
    submit(harness, 6)
    broadcaster = Broadcaster(harness.connection, heartbeat_s=15, max_streams=1)
    broadcaster.reached = LogPosition.at(harness.log, 2)
    subscriber = Subscriber(EventFilter(), None)
    assert broadcaster.join(subscriber, LogPosition.at(harness.log, 4))
    broadcaster.deliver(harness.log.after(2, 3))
    broadcaster.deliver(harness.log.after(5))
    parked = subscriber.serve()
    assert [next(parked).partition(b"-")[0] for _ in range(2)] == [b"id: 5", b"id: 6"]
    parked.close()


def test_streams_survive_outages_of_the_store_and_go_on_without_a_gap(
    own_harness: Harness,
) -> None:
    harness = own_harness
    harness.run_web()
    result = harness.settings.data_dir / "services.api.web.0.log"
    acl = ("acl", "setuser", "default")
    stream = harness.subscribe()
    submit(harness, 10)
    assert stream.take(10) == list(range(1, 11))
    harness.connection.execute_command(*acl, "-xread")
    eventually(lambda: "no permissions" in result.read_text(), "the reader is refused")
    harness.connection.execute_command(*acl, "+xread")
    submit(harness, 10, first=10)
    assert stream.take(10) == list(range(11, 21))
    harness.store.kill()
    eventually(lambda: "refused" in result.read_text(), "the store is away")
    harness.store.start()
    submit(harness, 10, first=20)
    assert stream.take(10) == list(range(21, 31))


def test_after_kill_9_of_the_web_process_a_subscriber_resumes_where_it_was(
    harness: Harness,
) -> None:
    web = harness.run_web()
    stream = harness.subscribe()
    submit(harness, 5)
    assert stream.take(5) == [1, 2, 3, 4, 5]
    kill_with_workers(web.pid)
    with pytest.raises(Closed):
        stream.next()
    submit(harness, 5, first=5)
    web.wait()
    harness.run_web()
    assert harness.subscribe(**{"Last-Event-ID": "5"}).take(5) == [6, 7, 8, 9, 10]


def test_a_graceful_stop_ends_streams_in_good_order_and_soon(harness: Harness) -> None:
    web = harness.run_web(workers=2)
    streams = [harness.subscribe() for _ in range(8)]
    submit(harness, 3)
    for stream in streams:
        assert stream.take(3) == [1, 2, 3]
    web.send_signal(signal.SIGTERM)
    for stream in streams:
        with pytest.raises(Closed) as closed:
            stream.next()
        assert closed.value.clean
    assert web.wait(timeout=60) == 0


def test_an_event_of_a_newer_release_stops_the_streams_loudly(harness: Harness) -> None:
    harness.run_web()
    stream = harness.subscribe()
    harness.connection.xadd(
        STREAM, {"t": "item.dreamt", "s": "i_a", "at": 1, "d": "{}"}, id="1-0"
    )
    with pytest.raises(Closed):
        stream.next()
    assert harness.subscribe().status == 503
    status, ready = harness.get("/readyz")
    assert status == 503
    assert "item.dreamt" in str(ready)


def test_head_says_what_a_stream_would_be_and_holds_no_place(harness: Harness) -> None:
    harness.projector().catch_up()
    harness.run_web()
    connection = http.client.HTTPConnection("127.0.0.1", harness.port, timeout=30)
    connection.request("HEAD", "/v1/events/stream", headers=harness.auth)
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (
        200,
        "text/event-stream; charset=utf-8",
    )
    connection.close()
    assert harness.get("/v1/stats")[1]["open_streams"] == 0


def test_an_old_client_without_chunked_coding_gets_the_same_events(
    harness: Harness,
) -> None:
    harness.run_web()
    stream = harness.subscribe(version="1.0")
    assert not stream.is_chunked
    submit(harness, 20)
    assert stream.take(20) == list(range(1, 21))


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [
        ("?after=-1", {}, "after"),
        ("?after=x", {}, "after"),
        ("?type=item.dreamt", {}, "type"),
        ("?label=rain", {}, "label"),
        ("?typo=1", {}, "typo"),
    ],
)
def test_a_wrong_subscription_is_refused_by_name(
    harness: Harness, query: str, headers: dict[str, str], field: str
) -> None:
    answer = harness.api_client().get(f"/v1/events/stream{query}", headers=headers)
    assert answer.status_code == 422
    assert [e["field"] for e in answer.get_json()["errors"]] == [field]


def test_leading_zeros_do_not_matter_however_many(harness: Harness) -> None:
    submit(harness, 3)
    harness.run_web()
    stream = harness.subscribe(**{"Last-Event-ID": "0" * 5_000 + "1"})
    assert stream.take(2) == [2, 3]


def test_the_streams_of_one_key_are_bounded_and_those_of_another_are_not(
    harness: Harness,
) -> None:
    broadcaster = Broadcaster(
        harness.connection, heartbeat_s=15, max_streams=9, max_streams_per_key=2
    )
    broadcaster.reserve("a")
    broadcaster.reserve("a")
    with pytest.raises(TooManyStreamsOfKey):
        broadcaster.reserve("a")
    broadcaster.reserve("b")
    broadcaster.release("a")
    broadcaster.reserve("a")


def kill_with_workers(pid: int) -> None:
    """`kill -9` of gunicorn's master and its workers at once; returns when their port is free."""
    workers = [
        int(worker)
        for worker in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ]
    for each in (pid, *workers):
        os.kill(each, signal.SIGKILL)
    for worker in workers:
        eventually(partial(_is_gone, worker), "the worker is gone")


def _is_gone(pid: int) -> bool:
    try:
        return not os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return True
