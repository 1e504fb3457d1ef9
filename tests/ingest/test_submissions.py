"""The door: what is good is on disk before it is acknowledged; what is bad is named, and leaves no trace."""

from __future__ import annotations

import errno
import gzip
import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest
import redis

from incidentwire import queue
from incidentwire.documents import StoredDocument
from incidentwire.events import (
    FeedSilent,
    ItemFetched,
    ItemSubmitted,
    ItemWithdrawn,
)
from incidentwire.log.event_log import IN_FLIGHT
from incidentwire.web.keys import Keys
from services.ingest import bulk
from services.ingest.app import create_app
from tests.harness import PLAIN, Harness, Site, page

URL = "https://News.Example.org:443/a?utm_source=x#part"


def test_a_url_is_accepted_once_and_known_afterwards(harness: Harness) -> None:
    first = harness.post({"url": URL})
    again = harness.post({"url": "https://news.example.org/a"})
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.get_json()["id"] == again.get_json()["id"]
    assert first.get_json()["position"] == again.get_json()["position"] == 1
    assert (first.get_json()["known"], again.get_json()["known"]) == (False, True)
    assert first.headers["Location"] == first.get_json()["receipt"]
    assert harness.log.last() == 1
    item_id = first.get_json()["id"]
    assert queue.queued_for_fetch(harness.connection, [item_id]) == {item_id}
    assert harness.queued() == []  # no worker has to wait for the page
    assert harness.receipt(item_id)["stage"] == "fetching"


def test_the_event_says_who_and_what(harness: Harness) -> None:
    item_id = harness.submit(url=URL, title="A title of ours", language="en-GB")
    event = harness.log.history(item_id)[0].event
    assert isinstance(event, ItemSubmitted)
    assert (event.via, event.url, event.canonical_url) == (
        "tester",
        URL,
        "https://news.example.org/a",
    )
    given = StoredDocument.from_bytes(
        harness.archive.get(item_id, event.given_digest or "")
    )
    assert (given.title, given.language) == ("A title of ours", "en")


def test_a_text_is_the_same_item_whatever_its_white_space_and_unicode_form(
    harness: Harness,
) -> None:
    one = harness.submit(text="Caf\u00e9  news\n", title="T")
    answer = harness.post({"text": "Cafe\u0301 news", "title": "T"})
    assert (answer.status_code, answer.get_json()["id"]) == (200, one)
    assert (
        harness.post({"text": "Caf\u00e9 news", "title": "another"}).status_code == 202
    )


def test_a_trace_is_handed_on(harness: Harness) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    harness.post({"text": PLAIN}, traceparent=trace)
    harness.work()
    assert [entry.traceparent for entry in harness.log.read()] == [trace] * 3


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, None),
        (b"\xff\xfe", 400, None),
        (b"[" * 100_000, 400, None),
        (b"[1]", 422, "(body)"),
        (b'"text"', 422, "(body)"),
        (b"null", 422, "(body)"),
        (b"{}", 422, "url"),
        (b'{"url": 5}', 422, "url"),
        (b'{"url": ["https://example.org"]}', 422, "url"),
        (b'{"url": null}', 422, "url"),
        (b'{"url": ""}', 422, "url"),
        (b'{"url": "file:///etc/passwd"}', 422, "url"),
        (b'{"url": "ftp://example.org/a"}', 422, "url"),
        (b'{"url": "javascript:alert(1)"}', 422, "url"),
        (b'{"url": "https://user:pw@example.org/"}', 422, "url"),
        (b'{"url": "https://"}', 422, "url"),
        (b'{"url": "https://example.org/%s"}' % (b"a" * 8000), 422, "url"),
        (b'{"url": "https://example.org/\\u0000"}', 422, "url"),
        (b'{"url": "https://example.org/\\ud800"}', 422, "url"),
        (b'{"text": "a\\u0000b"}', 422, "text"),
        (b'{"text": "\\ud800"}', 422, "text"),
        (b'{"text": "   "}', 422, "text"),
        (b'{"text": "ok", "title": {"a": 1}}', 422, "title"),
        (b'{"text": "ok", "published": "yesterday"}', 422, "published"),
        (b'{"text": "ok", "published": "2026-13"}', 422, "published"),
        (b'{"text": "ok", "language": "<script>"}', 422, "language"),
        (b'{"text": "ok", "colour": "red"}', 422, "colour"),
        (b'{"text": "%s"}' % (b"a" * 1_000_001), 422, "text"),
    ],
)
def test_bad_input_is_named_and_leaves_no_trace(
    harness: Harness,
    body: bytes,
    status: int,
    field: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = harness.post(body)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    problem = answer.get_json()
    assert (
        problem["status"],
        problem["type"].startswith("urn:incidentwire:problem:"),
    ) == (status, True)
    if field:
        assert field in [error["field"] for error in problem["errors"]]
        assert all(error["message"] for error in problem["errors"])
    assert harness.log.last() == 0
    assert harness.queued() == []
    assert [r for r in caplog.records if r.levelno > logging.WARNING] == []


@pytest.mark.parametrize("published", ["2026-05-31", "2026-05-31T10:00:00Z", "2026-05"])
def test_a_date_is_as_exact_as_the_publisher(harness: Harness, published: str) -> None:
    harness.submit(text=PLAIN, published=published)
    harness.work()
    assert [
        entry.event.published
        for entry in harness.log.after(0)
        if isinstance(entry.event, ItemFetched)
    ] == [published]


def test_a_body_of_20_mb_is_refused(harness: Harness) -> None:
    answer = harness.post(b'{"text": "' + b"a" * 20_000_000 + b'"}')
    assert (answer.status_code, answer.mimetype) == (413, "application/problem+json")


def test_another_media_type_is_told_what_to_send(harness: Harness) -> None:
    answer = harness.post(
        b"url=x", **{"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 415
    assert "application/json" in answer.get_json()["detail"]


def _bulk(harness: Harness, *lines: bytes) -> list[dict[str, Any]]:
    answer = harness.post(b"\n".join(lines), **{"Content-Type": "application/x-ndjson"})
    assert (answer.status_code, answer.mimetype) == (200, "application/x-ndjson")
    return [json.loads(line) for line in answer.get_data().splitlines()]


def test_a_bad_line_spoils_only_itself(harness: Harness) -> None:
    rows = _bulk(
        harness,
        b'{"url": "https://example.org/1"}',
        b"not json",
        b"",
        b'{"url": "ftp://example.org/2"}',
        b'{"text": "some text"}',
        b'{"url": "https://example.org/1?utm_source=b"}',
    )
    assert [(row["line"], row["status"]) for row in rows] == [
        (1, 202),
        (2, 400),
        (4, 422),
        (5, 202),
        (6, 200),
    ]
    assert rows[4]["id"] == rows[0]["id"]
    assert rows[2]["errors"][0]["field"] == "url"
    assert harness.log.last() == 2


def test_a_chunk_of_texts_is_stored_outside_the_event_loop(harness: Harness) -> None:
    calls = []

    def run(function: Any, args: Any) -> Any:
        calls.append(len(args[0]))
        return function(*args)

    app = create_app(harness.settings, harness.connection, run=run)
    lines = b"".join(b'{"text": "text %d"}\n' % n for n in range(30))
    headers = {"Content-Type": "application/x-ndjson", **harness.auth}
    answer = app.test_client().post("/v1/submissions", data=lines, headers=headers)
    assert {json.loads(line)["status"] for line in answer.text.splitlines()} == {202}
    assert calls == [30]


def test_bulk_items_are_queued_in_batches_with_one_job_each(harness: Harness) -> None:
    rows = _bulk(
        harness, *(b'{"title": "%d", "text": "Benches"}' % n for n in range(1200))
    )
    assert {row["status"] for row in rows} == {202}
    assert [row["position"] for row in rows] == list(range(1, 1201))
    assert sorted(map(len, harness.queued())) == [50] * 24
    assert harness.receipt(rows[0]["id"])["stage"] == "working"


def test_a_single_page_goes_before_the_bulk_ones_of_its_key(harness: Harness) -> None:
    _bulk(harness, *(b'{"url": "https://example.org/%d"}' % n for n in range(3)))
    single = harness.submit(url="https://example.org/single")
    [waiting] = queue.waiting_pages(harness.connection, 10).values()
    assert (len(waiting), waiting[0][0]) == (4, single)


def test_an_item_that_waits_is_tried_at_once_on_request(
    harness: Harness, web_site: Site
) -> None:
    item_id = harness.submit(url=web_site.put("/busy", b"", 503))
    harness.work()
    receipt = harness.receipt(item_id)
    assert (receipt["stage"], receipt["retryable"]) == ("waiting", True)
    web_site.put("/busy", page("Benches return to the river park", PLAIN))
    assert harness.post({}, f"/v1/submissions/{item_id}/retry").status_code == 202
    harness.work()
    receipt = harness.receipt(item_id)
    assert (receipt["state"], receipt["stage"]) == ("classified", None)


def test_past_the_limit_the_rest_is_refused_aloud(harness: Harness) -> None:
    lines = [b'{"url": "https://example.org/%d"}' % n for n in range(10_003)]
    rows = _bulk(harness, *lines)
    assert len(rows) == 10_001
    assert (rows[-1]["line"], rows[-1]["status"], rows[-1]["type"][-14:]) == (
        10_001,
        413,
        "too-many-items",
    )
    assert harness.log.last() == 10_000


def test_an_endless_line_is_refused_and_the_next_one_read(harness: Harness) -> None:
    rows = _bulk(
        harness, b'{"text": "' + b"a" * 9_000_000 + b'"}', b'{"text": "short"}'
    )
    assert [row["status"] for row in rows] == [413, 202]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/submissions/i_aaaaaaaaaaaaaaaaaaaa",
        "/v1/submissions/x",
        "/v1/submissions/%00",
        "/v1/submissions/f_quiet",
    ],
)
def test_an_unknown_item_has_no_receipt(harness: Harness, path: str) -> None:
    harness.log.append("f_quiet", FeedSilent(reason="empty"))
    answer = harness.ingest_client.get(path, headers=harness.auth)
    assert (answer.status_code, answer.get_json()["type"]) == (
        404,
        "urn:incidentwire:problem:unknown-item",
    )


def test_the_receipt_is_never_behind(harness: Harness) -> None:
    item_id = harness.submit(text=PLAIN, title="Benches")
    assert harness.receipt(item_id)["state"] == "queued"
    harness.work()
    receipt = harness.receipt(item_id)
    assert receipt["state"] == "classified"
    assert [row["type"] for row in receipt["history"]] == [
        "item.submitted",
        "item.fetched",
        "item.classified",
    ]
    assert receipt["position"] == receipt["history"][-1]["position"] == 3


def test_a_retry_is_refused_while_the_item_is_in_flight(harness: Harness) -> None:
    item_id = harness.submit(text=PLAIN, title="Benches")
    assert harness.post({}, f"/v1/submissions/{item_id}/retry").status_code == 409
    harness.work()
    answer = harness.post({}, f"/v1/submissions/{item_id}/retry")
    assert (answer.status_code, answer.get_json()["position"]) == (202, 4)
    harness.work()
    assert harness.types(item_id)[-1] == "item.classified"


def test_every_address_needs_a_key_but_health_checks_and_documentation(
    harness: Harness,
) -> None:
    rules = [
        rule
        for rule in harness.ingest_client.application.url_map.iter_rules()
        if rule.rule not in ("/healthz", "/readyz")
        and not rule.endpoint.startswith("api_docs.")
    ]
    assert rules
    for rule in rules:
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            path = rule.rule.replace("<item_id>", "i_x").replace("<feed_id>", "f_x")
            answer = harness.ingest_client.open(path, method=method)
            assert (answer.status_code, answer.mimetype) == (
                401,
                "application/problem+json",
            ), (method, path)


def test_a_key_without_the_scope_or_revoked_is_refused(
    harness: Harness, connection: redis.Redis
) -> None:
    reader = Keys(connection).create("reader", ["read"])
    headers = {"Authorization": f"Bearer {reader}", "Content-Type": "application/json"}
    answer = harness.ingest_client.post(
        "/v1/submissions", data=b'{"text": "x"}', headers=headers
    )
    assert (answer.status_code, "submit" in answer.get_json()["detail"]) == (403, True)
    for header, slug in (
        ("Bearer iwk_guess", "key-unknown"),
        (reader, "key-missing"),
        ("Basic bWU6aXdr", "key-missing"),
    ):
        wrong = harness.ingest_client.get(
            "/v1/feeds", headers={"Authorization": header}
        )
        assert wrong.status_code == 401
        assert wrong.get_json()["type"].endswith(slug)
    assert (
        harness.ingest_client.get("/v1/feeds", headers=headers).status_code == 200
    )  # reading is enough to see the feeds
    assert harness.log.last() == 0


def test_with_too_much_in_flight_nothing_is_accepted_and_reading_goes_on(
    harness: Harness,
) -> None:
    item_id = harness.submit(text=PLAIN)
    object.__setattr__(harness.settings, "max_in_flight", 1)
    harness.ingest_client.application.extensions[
        "incidentwire.submitter"
    ].admission.clock = lambda: 1e12
    answer = harness.post({"text": "another"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    bulk = harness.post(
        b'{"text": "another"}', **{"Content-Type": "application/x-ndjson"}
    )
    assert (bulk.status_code, bulk.headers["Retry-After"]) == (503, "30")
    assert harness.receipt(item_id)["state"] == "queued"
    assert harness.log.last() == 1


def test_a_store_that_is_away_is_a_503_and_not_an_acceptance(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = redis.Redis(port=1, retry=None, socket_connect_timeout=0.2)
    monkeypatch.setattr(
        harness.ingest_client.application.extensions["incidentwire.submitter"].log,
        "connection",
        dead,
    )
    answer = harness.post({"text": "x"})
    assert (answer.status_code, answer.get_json()["type"]) == (
        503,
        "urn:incidentwire:problem:store-unreachable",
    )
    assert harness.ingest_client.get("/healthz").status_code == 200
    assert harness.ingest_client.get("/readyz").status_code == 503


def test_event_and_job_are_there_together(
    harness: Harness, connection: redis.Redis
) -> None:
    harness.submit(text=PLAIN)
    assert connection.zcard(IN_FLIGHT) == 1
    assert queue.queued_items(queue.open_item_queues(connection)) == {
        harness.log.after(0)[0].subject
    }


def test_a_text_for_a_withdrawn_item_is_not_kept(harness: Harness) -> None:
    item_id = harness.submit(url="https://example.org/withdrawn")
    harness.log.append(item_id, ItemWithdrawn(who="admin"))
    answer = harness.post({"url": "https://example.org/withdrawn", "text": PLAIN})
    assert (answer.status_code, answer.get_json()["known"]) == (200, True)
    assert harness.archive.digests(item_id) == []


@pytest.mark.parametrize(
    "media_type",
    [
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
        "application/jsonlines",
        "application/x-jsonl",
        "text/jsonl",
        "text/x-ndjson",
        "application/x-ndjson; charset=utf-8",
    ],
)
def test_every_name_of_ndjson_is_read(harness: Harness, media_type: str) -> None:
    body = b'{"text": "one"}\n{"text": "two"}\n'
    answer = harness.post(body, **{"Content-Type": media_type})
    rows = [json.loads(line) for line in answer.get_data().splitlines()]
    assert [row["status"] for row in rows] == [202, 202]


@pytest.mark.parametrize("media_type", ["application/json", "application/x-ndjson"])
def test_a_compressed_body_is_read(harness: Harness, media_type: str) -> None:
    body = gzip.compress(b'{"text": "some text"}')
    headers = {"Content-Type": media_type, "Content-Encoding": "gzip"}
    answer = harness.post(body, **headers)
    assert answer.status_code in (200, 202)
    answer.close()
    assert harness.log.last() == 1


def test_a_pasted_line_break_around_an_address_is_dropped(harness: Harness) -> None:
    harness.submit(url="\ufeff https://news.example.org/a\u00a0\r\n")
    event = harness.log.history(harness.log.after(0)[0].subject)[0].event
    assert isinstance(event, ItemSubmitted)
    assert event.url == "https://news.example.org/a"


@pytest.mark.parametrize(
    "body",
    [
        b'{"url": %s}' % (b"9" * 5000),
        b'{"url": "https://a.example/", "url": "https://b.example/"}',
        b'{"text": "x", "title": NaN}',
        b'{"text": "x", "language": "en%s"}' % (b"-ab" * 5000),
    ],
)
def test_json_that_no_reader_agrees_on_is_refused_in_our_own_words(
    harness: Harness, body: bytes
) -> None:
    answer = harness.post(body)
    assert answer.status_code == 422
    assert "sys.set_int" not in answer.get_data(as_text=True)
    assert len(answer.get_data()) < 5000
    assert harness.log.last() == 0


def test_a_body_of_blank_lines_is_given_up(harness: Harness) -> None:
    rows = _bulk(harness, b'{"text": "one"}', *[b""] * 50_000, b'{"text": "two"}')
    assert [row["status"] for row in rows] == [202, 413]
    assert "blank lines" in rows[1]["detail"]


def test_bulk_to_a_store_that_cannot_be_written_is_one_503(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.post({"text": "first"})  # the load is known; the append is what fails
    dead = redis.Redis(port=1, retry=None, socket_connect_timeout=0.2)
    submitter = harness.ingest_client.application.extensions["incidentwire.submitter"]
    monkeypatch.setattr(submitter.log, "connection", dead)
    answer = harness.post(b'{"text": "x"}', **{"Content-Type": "application/x-ndjson"})
    assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("what", "slug"),
    [("disk", "storage-unavailable"), ("store", "store-unreachable")],
)
def test_an_outage_within_a_body_is_named_line_by_line(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, what: str, slug: str
) -> None:
    replace = os.replace
    stored: list[object] = []

    def write(source: Path, target: Path) -> None:
        if stored and what == "disk":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if stored:
            harness.connection.config_set("min-replicas-to-write", 1)
        stored.append(target)
        replace(source, target)

    monkeypatch.setattr(bulk, "CHUNK", 1)
    monkeypatch.setattr(os, "replace", write)
    texts = [{"title": "Benches", "text": f"{PLAIN} {n}"} for n in range(3)]
    try:
        rows = _bulk(harness, *(json.dumps(text).encode() for text in texts))
    finally:
        harness.connection.config_set("min-replicas-to-write", 0)
    assert [row["status"] for row in rows] == [202, 503, 503]
    assert rows[1]["type"] == f"urn:incidentwire:problem:{slug}"
    assert harness.log.last() == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/x",
        "http://169.254.169.254/latest",
        "http://[::1]/",
        "http://2130706434/",
        "http://localhost/a",
        "http://news.example.org:22/a",
    ],
)
def test_an_address_that_is_never_fetched_is_refused_at_once(
    harness: Harness, url: str
) -> None:
    refused = harness.post({"url": url})
    assert refused.status_code == 422
    [error] = refused.get_json()["errors"]
    assert error["field"] == "url"
    assert "INCIDENTWIRE_ALLOWED_HOSTS" in error["message"]
    assert harness.log.last() == 0
    assert harness.post({"url": url, "text": PLAIN}).status_code == 202
