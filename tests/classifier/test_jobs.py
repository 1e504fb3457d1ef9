"""From a queued job to an event: each item comes to one end, for a reason that can be named."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import redis

from incidentwire import queue
from incidentwire.archive import digest_of
from incidentwire.documents import StoredDocument
from incidentwire.events import ItemCorrected, ItemReclassifyRequested, ItemWithdrawn
from incidentwire.items import State
from incidentwire.queue import QueueEntry
from services.classifier.fetching import handover
from services.classifier.fetching.handover import PageRecord
from services.classifier.fetching.result import FetchFailure
from services.classifier.jobs import work
from services.classifier.keeping.requeue import requeue_expired
from tests.harness import LEAK, PLAIN, Harness, Site, page
from tests.store import Store


def test_a_page_becomes_a_classified_item_with_evidence(
    harness: Harness, web_site: Site
) -> None:
    url = web_site.put(
        "/clinic", page("Clinic chain exposed 61,000 patient records", LEAK)
    )
    item_id = harness.submit(url=url)
    harness.work()
    item = harness.item(item_id)
    assert harness.types(item_id) == [
        "item.submitted",
        "item.fetched",
        "item.classified",
    ]
    assert item.state is State.CLASSIFIED
    assert "data_leak" in item.labels
    assert item.fetched is not None
    assert item.classified is not None
    kept = StoredDocument.from_bytes(
        harness.archive.get(item_id, item.fetched.document_digest)
    )
    assert kept.text_digest == item.fetched.text_digest == item.classified.text_digest
    quotes = [
        kept.text[start:end] for start, end in item.classified.evidence["data_leak"]
    ]
    assert any("records" in quote or "personal data" in quote for quote in quotes)
    assert (
        harness.archive.get(item_id, item.fetched.page_digest or "")
        == web_site.answers["/clinic"][2]
    )
    assert harness.in_flight() == {}


def test_a_text_is_classified_without_any_request(
    harness: Harness, web_site: Site
) -> None:
    item_id = harness.submit(
        title="Clinic chain exposed patient records",
        text=LEAK,
        language="en",
        published="2026-03-11",
    )
    harness.work()
    item = harness.item(item_id)
    assert "data_leak" in item.labels
    assert item.fetched is not None
    assert (item.fetched.given, item.fetched.published, web_site.seen) == (
        True,
        "2026-03-11",
        [],
    )


def test_no_word_of_the_page_enters_the_log(harness: Harness, web_site: Site) -> None:
    url = web_site.put(
        "/a",
        page(
            "Zanzibar clinics exposed patient records",
            LEAK.replace("clinics", "Quibblewick"),
            '<meta property="og:site_name" content="The Marmalade Post">',
        ),
        Content_Type="text/html; charset=utf-8",
    )
    harness.submit(
        url=web_site.put("/pdf", b"%PDF-1.4 no more", Content_Type="Tamarind")
    )
    harness.submit(
        url=web_site.put("/packed", PLAIN.encode(), Content_Encoding="kumquat")
    )
    harness.submit(url=url)
    harness.submit(title="Zanzibar", text=LEAK.replace("clinics", "Quibblewick"))
    harness.work()
    stored = " ".join(entry.data for entry in harness.log.read())
    assert "item.classified" in {entry.type for entry in harness.log.read()}
    of_page = ("Zanzibar", "Quibblewick", "password", "telephone", "Marmalade")
    for word in (*of_page, "amarind", "umquat"):
        assert word not in stored


@pytest.mark.parametrize(
    ("status", "headers", "body", "reason"),
    [
        (404, {}, b"gone", "not_found"),
        (403, {}, b"no", "forbidden"),
        (
            200,
            {"Content-Type": "image/png"},
            b"\x89PNG\r\n\x1a\n" + bytes(200),
            "unsupported_media_type",
        ),
        (200, {}, b"", "empty"),
        (302, {"Location": "http://10.0.0.1/"}, b"", "refused_address"),
        (302, {"Location": "file:///etc/passwd"}, b"", "refused_url"),
        (302, {"Location": "/loop"}, b"", "too_many_redirects"),
        (200, {"Content-Encoding": "gzip"}, b"this is no gzip", "bad_encoding"),
    ],
)
def test_what_cannot_be_read_is_rejected_with_its_reason(
    harness: Harness,
    web_site: Site,
    status: int,
    headers: dict[str, str],
    body: bytes,
    reason: str,
) -> None:
    url = web_site.put(
        "/loop", body, status, **{k.replace("-", "_"): v for k, v in headers.items()}
    )
    item_id = harness.submit(url=url)
    harness.work()
    receipt = harness.receipt(item_id)
    assert (receipt["state"], receipt["reason"]) == ("rejected", reason)
    assert harness.in_flight() == {}


def test_a_transient_failure_waits_as_long_as_the_server_asks_then_gives_up(
    harness: Harness, web_site: Site
) -> None:
    url = web_site.put("/busy", b"", 503, Retry_After="300")
    item_id = harness.submit(url=url)
    harness.work()
    receipt = harness.receipt(item_id)
    assert (receipt["state"], receipt["reason"], receipt["attempt"]) == (
        "waiting",
        "http_status",
        1,
    )
    due = harness.in_flight()[item_id]
    submitted_at = harness.log.history(item_id)[0].time_ms / 1000
    assert (
        due - submitted_at >= 299
    )  # Retry-After is longer than the first delay of 30 s
    work(harness.context, [item_id])  # too early: nothing happens
    assert harness.types(item_id) == ["item.submitted", "item.deferred"]


def test_a_page_that_keeps_failing_is_rejected_in_the_end(
    connection: redis.Redis, store: Store, tmp_path: Path, web_site: Site
) -> None:
    harness = Harness(connection, store.url, tmp_path, retry_delays_s=(0.0, 0.0))
    item_id = harness.submit(url=web_site.put("/busy", b"", 500))
    for _ in range(4):
        harness.work()
        requeue_expired(harness.connection, time.time() + 60)
    assert harness.types(item_id) == [
        "item.submitted",
        "item.deferred",
        "item.deferred",
        "item.rejected",
    ]
    assert harness.receipt(item_id)["retryable"] is True


def test_the_same_job_twice_changes_nothing(harness: Harness, web_site: Site) -> None:
    item_id = harness.submit(
        url=web_site.put("/a", page("Benches return to the river park", PLAIN))
    )
    harness.work()
    last = harness.log.last()
    queue.enqueue_now(harness.connection, [QueueEntry.of(harness.item(item_id))])
    work(harness.context, [item_id])
    harness.work()
    assert harness.log.last() == last


def test_one_items_misfortune_leaves_its_neighbours_alone(
    harness: Harness, web_site: Site
) -> None:
    good = harness.submit(
        url=web_site.put("/good", page("Benches return to the river park", PLAIN))
    )
    lost = harness.submit(text=LEAK, title="A text whose archived bytes are damaged")
    digest = harness.item(lost).given_digest or ""
    stored = next(harness.settings.data_dir.rglob(f"{digest}.zst"))
    whole = stored.read_bytes()
    stored.write_bytes(b"rot")
    work(harness.context, [lost, good])
    harness.work()
    assert harness.item(good).state is State.CLASSIFIED
    receipt = harness.receipt(lost)
    assert (receipt["state"], receipt["reason"]) == ("rejected", "not_kept")
    assert "restore the archive from a backup and retry" in receipt["detail"]
    stored.write_bytes(whole)  # as the backup has it
    assert receipt["retryable"]
    retried = harness.post({}, f"/v1/submissions/{lost}/retry")
    assert retried.status_code == 202
    harness.work()
    assert harness.item(lost).state is State.CLASSIFIED


@pytest.mark.parametrize("damage", ["page_digest", "given_digest"])
def test_a_damaged_object_beside_a_page_costs_the_item_nothing(
    harness: Harness, web_site: Site, damage: str
) -> None:
    url = web_site.put("/good", page("Benches return to the river park", PLAIN))
    item_id = harness.submit(url=url, text="Its beginning.", title="Benches")
    harness.fetch()
    record = handover.page_record(harness.connection, harness.item(item_id))
    assert isinstance(record, PageRecord)
    digest = getattr(record, damage, harness.item(item_id).given_digest)
    next(harness.settings.data_dir.rglob(f"{digest}.zst")).write_bytes(b"")
    harness.work()
    item = harness.item(item_id)
    assert item.state is State.CLASSIFIED
    assert item.fetched is not None
    assert item.fetched.page_digest == record.page_digest
    harness.archive.get(item_id, record.page_digest)


def test_a_withdrawn_item_does_not_come_back(harness: Harness, web_site: Site) -> None:
    item_id = harness.submit(text=LEAK, title="Handed in, then withdrawn")
    queued = harness.item(item_id)
    harness.log.append(item_id, ItemWithdrawn(who="admin"))
    harness.archive.delete(item_id)
    harness.archive.put(item_id, b"kept by a worker that had begun before")
    harness.context.recorder.append_failure(queued, FetchFailure(reason="crashed"))
    assert harness.types(item_id) == ["item.submitted", "item.withdrawn"]
    assert harness.archive.digests(item_id) == []


def test_a_copy_that_names_a_known_original_becomes_its_alias(
    harness: Harness, web_site: Site
) -> None:
    original = harness.submit(
        url=web_site.put("/story", page("Clinic chain exposed patient records", LEAK))
    )
    harness.work()
    head = f'<link rel="canonical" href="{web_site.url("/story")}">'
    copy = harness.submit(
        url=web_site.put(
            "/amp/story", page("Clinic chain exposed patient records", LEAK, head)
        )
    )
    harness.work()
    assert harness.types(copy) == ["item.submitted", "item.aliased"]
    assert harness.receipt(copy)["alias_of"] == original
    assert harness.in_flight() == {}


def test_a_redirect_to_the_page_of_a_known_item_is_an_alias_of_it(
    harness: Harness, web_site: Site
) -> None:
    story = page("Clinic chain exposed patient records", LEAK)
    original = harness.submit(url=web_site.put("/story", story))
    harness.work()
    moved = harness.submit(url=web_site.put("/old", b"", 301, Location="/story"))
    harness.work()
    assert harness.types(moved) == ["item.submitted", "item.aliased"]
    assert harness.receipt(moved)["alias_of"] == original
    assert harness.archive.digests(moved) == []  # its page is not kept twice


def test_the_page_that_a_known_item_was_redirected_to_is_no_second_item(
    harness: Harness, web_site: Site
) -> None:
    moved = harness.submit(url=web_site.put("/old", b"", 301, Location="/story"))
    web_site.put("/story", page("Clinic chain exposed patient records", LEAK))
    harness.work()
    direct = harness.submit(url=web_site.url("/story"))
    harness.work()
    assert harness.types(direct) == ["item.submitted", "item.aliased"]
    assert harness.receipt(direct)["alias_of"] == moved


def test_another_page_behind_the_same_redirect_is_an_item_of_its_own(
    harness: Harness, web_site: Site
) -> None:
    harness.submit(url=web_site.put("/latest", b"", 302, Location="/one"))
    web_site.put("/one", page("Clinic chain exposed patient records", LEAK))
    harness.work()
    web_site.put("/latest", b"", 302, Location="/two")
    other = harness.submit(
        url=web_site.put("/two", page("Benches return to the park", PLAIN))
    )
    harness.work()
    assert harness.item(other).state is State.CLASSIFIED


def test_a_page_that_only_refreshes_goes_back_to_the_fetcher(
    harness: Harness, web_site: Site
) -> None:
    story = page("Clinic chain exposed patient records", LEAK)
    target = web_site.put("/story", story)
    refresh = f'<html><head><meta http-equiv="refresh" content="0;url={target}"></head>'
    item_id = harness.submit(url=web_site.put("/go", refresh.encode() + b"</html>"))
    harness.work()
    fetched = harness.item(item_id).fetched
    assert fetched is not None
    assert fetched.final_url == target
    assert len(harness.archive.digests(item_id)) == 3  # nothing of the first page


def test_a_page_that_sends_on_for_ever_comes_to_an_end(
    harness: Harness, web_site: Site
) -> None:
    for n in range(5):
        refresh = f'<meta http-equiv="refresh" content="0;url=/go{n + 1}">'
        web_site.put(f"/go{n}", f"<html><head>{refresh}</head></html>".encode())
    item_id = harness.submit(url=web_site.url("/go0"))
    harness.work()
    assert harness.receipt(item_id)["reason"] == "too_many_redirects"
    assert harness.archive.digests(item_id) == []


def test_the_head_of_a_response_is_stored_as_sent(
    harness: Harness, web_site: Site
) -> None:
    story = page("Benches return to the river park", PLAIN)
    url = web_site.put("/a", story, X_Odd="caf\u00e9", Set_Cookie="a=1")
    item_id = harness.submit(url=url)
    harness.work()
    fetched = harness.item(item_id).fetched
    assert fetched is not None
    head = harness.archive.get(item_id, fetched.headers_digest or "")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nX-Odd: caf\xe9\r\n" in head
    assert head.endswith(b"\r\n\r\n")


def test_people_stand_over_the_model(harness: Harness) -> None:
    item_id = harness.submit(text=PLAIN, title="Benches return to the river park")
    harness.work()
    assert harness.item(item_id).labels == ()
    harness.log.append(
        item_id, ItemCorrected(who="ann", labels=("consent",), labels_before=())
    )
    harness.log.append(item_id, ItemReclassifyRequested(who="release"))
    work(harness.context, [item_id])
    item = harness.item(item_id)
    assert (item.labels, item.model_labels, harness.types(item_id)[-1]) == (
        ("consent",),
        (),
        "item.classified",
    )


def test_a_failed_refetch_takes_nothing_back(harness: Harness, web_site: Site) -> None:
    item_id = harness.submit(
        url=web_site.put("/clinic", page("Clinic chain exposed patient records", LEAK))
    )
    harness.work()
    labels = harness.item(item_id).labels
    del web_site.answers["/clinic"]
    assert harness.post({}, f"/v1/submissions/{item_id}/retry").status_code == 202
    harness.work()
    item = harness.item(item_id)
    assert (item.state, item.reason, item.labels) == (
        State.CLASSIFIED,
        "not_found",
        labels,
    )


def test_other_text_at_the_same_url_is_a_new_revision(
    harness: Harness, web_site: Site
) -> None:
    item_id = harness.submit(
        url=web_site.put("/a", page("Benches return to the river park", PLAIN))
    )
    harness.work()
    before = harness.item(item_id).fetched
    web_site.put("/a", page("Clinic chain exposed patient records", LEAK))
    harness.post({}, f"/v1/submissions/{item_id}/retry")
    harness.work()
    after = harness.item(item_id)
    assert before is not None
    assert after.fetched is not None
    assert before.text_digest != after.fetched.text_digest
    assert "data_leak" in after.labels
    assert harness.archive.has(
        item_id, before.document_digest
    )  # the earlier revision stays


def test_an_incomplete_page_waits_for_the_text_from_its_sender(
    harness: Harness, web_site: Site
) -> None:
    teaser = page(
        "Clinic chain exposed patient records", "Subscribe to read the full story."
    )
    url = web_site.put("/wall", teaser)
    item_id = harness.submit(url=url)
    harness.work()
    receipt = harness.receipt(item_id)
    assert (receipt["state"], receipt["reason"]) == ("rejected", "incomplete")
    answer = harness.post(
        {"url": url, "text": LEAK, "title": "Clinic chain exposed patient records"}
    )
    assert (answer.status_code, answer.get_json()["id"]) == (202, item_id)
    harness.work()
    item = harness.item(item_id)
    assert (item.state, item.is_text_given) == (State.CLASSIFIED, True)
    assert "data_leak" in item.labels
    assert web_site.seen.count("/wall") == 1
    assert digest_of(b"") not in harness.archive.digests(item_id)


def test_no_word_of_a_server_or_a_sites_name_enters_the_log(
    harness: Harness, web_site: Site
) -> None:
    head = '<meta property="og:site_name" content="Quibblewick Gazette">'
    body = page("Clinic chain exposed patient records", LEAK, head)
    item_id = harness.submit(url=web_site.put("/named", body))
    for path, kind in (("/a", "text/quibblewick"), ("/b", "quibblewick/pdf")):
        harness.submit(url=web_site.put(path, b"%PDF-1.4 none", Content_Type=kind))
    harness.submit(url=web_site.put("/c", b"x" * 99, Content_Type="text/quibblewick"))
    harness.work()
    assert "uibblewick" not in " ".join(entry.data for entry in harness.log.read())
    fetched = harness.item(item_id).fetched
    assert fetched is not None
    kept = harness.archive.get(item_id, fetched.document_digest)
    assert StoredDocument.from_bytes(kept).site == "Quibblewick Gazette"
