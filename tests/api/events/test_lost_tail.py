"""A log that lost its end and grew again is noticed by all who resume in it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import command
from incidentwire.client import Client, Gap
from incidentwire.events import ItemSubmitted
from incidentwire.settings import to_env
from tests.eventually import eventually
from tests.harness import Harness
from tests.lost_tail import regrow

NEW = ["i_x", "i_y", "i_z", "i_w"]  # at positions 4 to 7; the log had six events


def grow(harness: Harness, *names: str) -> None:
    for name in names:
        url = f"https://news.example.org/{name}"
        harness.log.append(name, ItemSubmitted(url=url, via="t"))


@pytest.fixture
def grown(harness: Harness) -> Harness:
    grow(harness, *"abcdef")
    return harness


def test_a_stream_resumes_with_a_gap_after_a_lost_event_and_without_after_another(
    grown: Harness,
) -> None:
    harness = grown
    harness.run_web()
    stream = harness.subscribe("?after=0")
    cursors = [stream.next().cursor for _ in range(6)]
    regrow(harness.connection, 3, NEW)
    assert stream.next().event == "gap"
    for lost in cursors[3:]:
        for query, header in (("", {"Last-Event-ID": lost}), (f"?cursor={lost}", {})):
            gap = harness.subscribe(query, **header).next()
            assert (gap.event, gap.data["first"], gap.data["last"]) == ("gap", 1, 7)
    resumed = harness.subscribe(**{"Last-Event-ID": cursors[2]})
    again = [resumed.next() for _ in range(4)]
    assert [message.data["subject"] for message in again] == NEW
    plain = harness.subscribe(**{"Last-Event-ID": "5"})  # as earlier releases sent it
    assert plain.take(2) == [6, 7]


def test_an_open_stream_is_told_however_far_the_log_has_grown_again(
    grown: Harness,
) -> None:
    harness = grown
    harness.run_web()
    stream = harness.subscribe("?after=0")
    assert stream.take(6) == [1, 2, 3, 4, 5, 6]
    regrow(harness.connection, 3, [*NEW, "i_v"])
    gap = stream.next()
    assert (gap.event, gap.id, gap.data["last"]) == ("gap", 8, 8)
    grow(harness, "g")
    assert stream.take(1) == [9]
    assert harness.subscribe(**{"Last-Event-ID": gap.cursor}).take(1) == [9]


def test_a_new_stream_gets_no_lost_event_before_the_reader_notices(
    harness: Harness,
) -> None:
    harness.run_web()
    open_stream = harness.subscribe("?after=0")
    grow(harness, *"abcdef")
    assert open_stream.take(6) == [1, 2, 3, 4, 5, 6]
    # Shorter than before, so that the reader waits for a seventh event.
    regrow(harness.connection, 3, NEW[:2])
    late = harness.subscribe("?after=2")
    assert [late.next().data["subject"] for _ in range(3)] == ["c", *NEW[:2]]
    assert open_stream.next().event == "gap"
    grow(harness, "g")
    assert late.take(1) == open_stream.take(1) == [6]


def test_pages_and_exports_refuse_the_cursor_of_a_lost_event(grown: Harness) -> None:
    client = grown.api_client()
    page = client.get("/v1/events?limit=5").get_json()
    ndjson = {"Accept": "application/x-ndjson"}
    export = client.get("/v1/events", headers=ndjson)
    rest = client.get(f"/v1/events?cursor={page['cursor']}").get_json()
    assert [event["sequence"] for event in rest["events"]] == [6]
    assert rest["cursor"] == export.headers["Incidentwire-Cursor"]
    common = client.get("/v1/events?limit=3").get_json()["cursor"]
    regrow(grown.connection, 3, NEW)
    for headers in ({}, ndjson):
        for cursor in (page["cursor"], rest["cursor"]):
            answer = client.get(f"/v1/events?cursor={cursor}", headers=headers)
            assert answer.status_code == 409
            problem = answer.get_json()
            assert problem["type"].endswith(":another-event")
            assert (problem["first"], problem["last"]) == (1, 7)
        kept = client.get(f"/v1/events?cursor={common}", headers=headers)
        assert (kept.status_code, NEW[0] in kept.text) == (200, True)


def test_a_long_poll_ends_if_the_events_before_it_are_lost(grown: Harness) -> None:
    harness = grown
    harness.projector().catch_up()
    harness.run_web()
    answers: list[tuple[int, Any]] = []
    query = "/v1/events?after=6&wait=15"  # seconds; the client gives up after 30
    poll = threading.Thread(target=lambda: answers.append(harness.get(query)))
    poll.start()
    eventually(
        lambda: harness.get("/v1/stats")[1]["open_streams"] == 1, "the poll waits"
    )
    regrow(harness.connection, 3, [*NEW, "i_v"])
    poll.join()
    status, problem = answers[0]
    assert (status, problem["last"]) == (409, 8)


@pytest.mark.parametrize("cursor", ["x", "3-", "3-xyz", "9" * 16, "3-0123456789ABCDEF"])
def test_a_malformed_cursor_is_refused_in_pages(grown: Harness, cursor: str) -> None:
    answer = grown.api_client().get(f"/v1/events?cursor={cursor}")
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"] == "cursor"


def test_the_client_and_tail_resume_by_event_and_report_the_gap(
    grown: Harness, tmp_path: Path
) -> None:
    harness = grown
    harness.run_web()
    url = f"http://127.0.0.1:{harness.port}"
    env = {
        **to_env(harness.settings),
        "INCIDENTWIRE_API_URL": url,
        "INCIDENTWIRE_KEY": harness.key,
    }
    file = tmp_path / "cursor"

    def tail(*options: str) -> tuple[int, str]:
        call = ["tail", "--no-titles", "--cursor", str(file), *options]
        result = CliRunner().invoke(command, call, env=env)
        return result.exit_code, result.output

    assert tail("--after", "0", "--count", "5")[0] == 0
    assert tail("--count", "1", "--json")[1].startswith('{"specversion"')
    with Client(url, key=harness.key) as client:
        stream = client.stream(after=0)
        events = [next(stream) for _ in range(6)]
        seen, after = client.poll(0, wait_s=0)
        assert (len(seen), after) == (6, events[-1].cursor)
        regrow(harness.connection, 3, NEW)
        for cut in (stream, client.stream(after=events[4].cursor)):
            with pytest.raises(Gap) as gap:
                next(cut)
            assert gap.value.last == 7
        assert next(client.stream(after=events[2].cursor)).subject == NEW[0]
    code, output = tail("--count", "1")
    assert (code, "--after 7" in output) == (3, True)
    file.write_text("6")  # as an earlier release left it
    code, output = tail("--count", "1", "--json")
    assert (code, json.loads(output)["subject"]) == (0, "i_w")
