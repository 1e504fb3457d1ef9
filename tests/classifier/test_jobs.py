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
from services.classifier.fetching.result import FetchFailure
from services.classifier.jobs import work
from services.classifier.keeping.requeue import requeue_expired
from tests.house import LEAK, PLAIN, House, Site, page
from tests.store import Store


def test_a_page_becomes_a_classified_item_with_evidence(
    house: House, web_site: Site
) -> None:
    url = web_site.put(
        "/clinic", page("Clinic chain exposed 61,000 patient records", LEAK)
    )
    item_id = house.submit(url=url)
    house.work()
    item = house.item(item_id)
    assert house.types(item_id) == ["item.submitted", "item.fetched", "item.classified"]
    assert item.state is State.CLASSIFIED
    assert "data_leak" in item.labels
    assert item.fetched is not None
    assert item.classified is not None
    kept = StoredDocument.from_bytes(
        house.archive.get(item_id, item.fetched.document_digest)
    )
    assert kept.text_digest == item.fetched.text_digest == item.classified.text_digest
    quotes = [
        kept.text[start:end] for start, end in item.classified.evidence["data_leak"]
    ]
    assert any("records" in quote or "personal data" in quote for quote in quotes)
    assert (
        house.archive.get(item_id, item.fetched.page_digest or "")
        == web_site.answers["/clinic"][2]
    )
    assert house.in_flight() == {}


def test_a_text_is_classified_without_any_request(house: House, web_site: Site) -> None:
    item_id = house.submit(
        title="Clinic chain exposed patient records",
        text=LEAK,
        language="en",
        published="2026-03-11",
    )
    house.work()
    item = house.item(item_id)
    assert "data_leak" in item.labels
    assert item.fetched is not None
    assert (item.fetched.given, item.fetched.published, web_site.seen) == (
        True,
        "2026-03-11",
        [],
    )


def test_no_word_of_the_page_enters_the_log(house: House, web_site: Site) -> None:
    url = web_site.put(
        "/a",
        page(
            "Zanzibar clinics exposed patient records",
            LEAK.replace("clinics", "Quibblewick"),
            '<meta property="og:site_name" content="The Marmalade Post">',
        ),
        Content_Type="text/html; charset=utf-8",
    )
    house.submit(url=web_site.put("/pdf", b"%PDF-1.4 no more", Content_Type="Tamarind"))
    house.submit(
        url=web_site.put("/packed", PLAIN.encode(), Content_Encoding="kumquat")
    )
    house.submit(url=url)
    house.submit(title="Zanzibar", text=LEAK.replace("clinics", "Quibblewick"))
    house.work()
    stored = " ".join(entry.data for entry in house.log.read())
    assert "item.classified" in {entry.type for entry in house.log.read()}
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
    house: House,
    web_site: Site,
    status: int,
    headers: dict[str, str],
    body: bytes,
    reason: str,
) -> None:
    url = web_site.put(
        "/loop", body, status, **{k.replace("-", "_"): v for k, v in headers.items()}
    )
    item_id = house.submit(url=url)
    house.work()
    receipt = house.receipt(item_id)
    assert (receipt["state"], receipt["reason"]) == ("rejected", reason)
    assert house.in_flight() == {}


def test_a_transient_failure_waits_as_long_as_the_server_asks_then_gives_up(
    house: House, web_site: Site
) -> None:
    url = web_site.put("/busy", b"", 503, Retry_After="300")
    item_id = house.submit(url=url)
    house.work()
    receipt = house.receipt(item_id)
    assert (receipt["state"], receipt["reason"], receipt["attempt"]) == (
        "waiting",
        "http_status",
        1,
    )
    due = house.in_flight()[item_id]
    submitted_at = house.log.history(item_id)[0].time_ms / 1000
    assert (
        due - submitted_at >= 299
    )  # Retry-After is longer than the first delay of 30 s
    work(house.context, [item_id])  # too early: nothing happens
    assert house.types(item_id) == ["item.submitted", "item.deferred"]


def test_a_page_that_keeps_failing_is_rejected_in_the_end(
    connection: redis.Redis, store: Store, tmp_path: Path, web_site: Site
) -> None:
    house = House(connection, store.url, tmp_path, retry_delays_s=(0.0, 0.0))
    item_id = house.submit(url=web_site.put("/busy", b"", 500))
    for _ in range(4):
        house.work()
        requeue_expired(house.connection, time.time() + 60)
    assert house.types(item_id) == [
        "item.submitted",
        "item.deferred",
        "item.deferred",
        "item.rejected",
    ]
    assert house.receipt(item_id)["retryable"] is True


def test_the_same_job_twice_changes_nothing(house: House, web_site: Site) -> None:
    item_id = house.submit(
        url=web_site.put("/a", page("Benches return to the river park", PLAIN))
    )
    house.work()
    last = house.log.last()
    queue.enqueue_now(house.connection, [QueueEntry.of(house.item(item_id))])
    work(house.context, [item_id])
    house.work()
    assert house.log.last() == last


def test_one_items_misfortune_leaves_its_neighbours_alone(
    house: House, web_site: Site
) -> None:
    good = house.submit(
        url=web_site.put("/good", page("Benches return to the river park", PLAIN))
    )
    lost = house.submit(text=LEAK, title="A text whose archived bytes are damaged")
    digest = house.item(lost).given_digest or ""
    next(house.settings.data_dir.rglob(f"{digest}.zst")).write_bytes(b"rot")
    work(house.context, [lost, good])
    house.work()
    assert house.item(good).state is State.CLASSIFIED
    assert (house.item(lost).state, house.item(lost).reason) == (
        State.WAITING,
        "internal",
    )


def test_a_withdrawn_item_does_not_come_back(house: House, web_site: Site) -> None:
    item_id = house.submit(text=LEAK, title="Handed in, then withdrawn")
    queued = house.item(item_id)
    house.log.append(item_id, ItemWithdrawn(who="admin"))
    house.archive.delete(item_id)
    house.archive.put(item_id, b"kept by a worker that had begun before")
    house.context.recorder.append_failure(queued, FetchFailure(reason="crashed"))
    assert house.types(item_id) == ["item.submitted", "item.withdrawn"]
    assert house.archive.digests(item_id) == []


def test_a_copy_that_names_a_known_original_becomes_its_alias(
    house: House, web_site: Site
) -> None:
    original = house.submit(
        url=web_site.put("/story", page("Clinic chain exposed patient records", LEAK))
    )
    house.work()
    head = f'<link rel="canonical" href="{web_site.url("/story")}">'
    copy = house.submit(
        url=web_site.put(
            "/amp/story", page("Clinic chain exposed patient records", LEAK, head)
        )
    )
    house.work()
    assert house.types(copy) == ["item.submitted", "item.aliased"]
    assert house.receipt(copy)["alias_of"] == original
    assert house.in_flight() == {}


def test_a_redirect_to_the_page_of_a_known_item_is_an_alias_of_it(
    house: House, web_site: Site
) -> None:
    story = page("Clinic chain exposed patient records", LEAK)
    original = house.submit(url=web_site.put("/story", story))
    house.work()
    moved = house.submit(url=web_site.put("/old", b"", 301, Location="/story"))
    house.work()
    assert house.types(moved) == ["item.submitted", "item.aliased"]
    assert house.receipt(moved)["alias_of"] == original
    assert house.archive.digests(moved) == []  # its page is not kept twice


def test_a_page_that_only_refreshes_goes_back_to_the_fetcher(
    house: House, web_site: Site
) -> None:
    story = page("Clinic chain exposed patient records", LEAK)
    target = web_site.put("/story", story)
    refresh = f'<html><head><meta http-equiv="refresh" content="0;url={target}"></head>'
    item_id = house.submit(url=web_site.put("/go", refresh.encode() + b"</html>"))
    house.work()
    fetched = house.item(item_id).fetched
    assert fetched is not None
    assert fetched.final_url == target
    assert len(house.archive.digests(item_id)) == 3  # nothing of the first page


def test_a_page_that_sends_on_for_ever_comes_to_an_end(
    house: House, web_site: Site
) -> None:
    for n in range(5):
        refresh = f'<meta http-equiv="refresh" content="0;url=/go{n + 1}">'
        web_site.put(f"/go{n}", f"<html><head>{refresh}</head></html>".encode())
    item_id = house.submit(url=web_site.url("/go0"))
    house.work()
    assert house.receipt(item_id)["reason"] == "too_many_redirects"
    assert house.archive.digests(item_id) == []


def test_the_head_of_a_response_is_stored_as_sent(house: House, web_site: Site) -> None:
    story = page("Benches return to the river park", PLAIN)
    url = web_site.put("/a", story, X_Odd="caf\u00e9", Set_Cookie="a=1")
    item_id = house.submit(url=url)
    house.work()
    fetched = house.item(item_id).fetched
    assert fetched is not None
    head = house.archive.get(item_id, fetched.headers_digest or "")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nX-Odd: caf\xe9\r\n" in head
    assert head.endswith(b"\r\n\r\n")


def test_people_stand_over_the_model(house: House) -> None:
    item_id = house.submit(text=PLAIN, title="Benches return to the river park")
    house.work()
    assert house.item(item_id).labels == ()
    house.log.append(
        item_id, ItemCorrected(who="ann", labels=("consent",), labels_before=())
    )
    house.log.append(item_id, ItemReclassifyRequested(who="release"))
    work(house.context, [item_id])
    item = house.item(item_id)
    assert (item.labels, item.model_labels, house.types(item_id)[-1]) == (
        ("consent",),
        (),
        "item.classified",
    )


def test_a_failed_refetch_takes_nothing_back(house: House, web_site: Site) -> None:
    item_id = house.submit(
        url=web_site.put("/clinic", page("Clinic chain exposed patient records", LEAK))
    )
    house.work()
    labels = house.item(item_id).labels
    del web_site.answers["/clinic"]
    assert house.post({}, f"/v1/submissions/{item_id}/retry").status_code == 202
    house.work()
    item = house.item(item_id)
    assert (item.state, item.reason, item.labels) == (
        State.CLASSIFIED,
        "not_found",
        labels,
    )


def test_other_text_at_the_same_url_is_a_new_revision(
    house: House, web_site: Site
) -> None:
    item_id = house.submit(
        url=web_site.put("/a", page("Benches return to the river park", PLAIN))
    )
    house.work()
    before = house.item(item_id).fetched
    web_site.put("/a", page("Clinic chain exposed patient records", LEAK))
    house.post({}, f"/v1/submissions/{item_id}/retry")
    house.work()
    after = house.item(item_id)
    assert before is not None
    assert after.fetched is not None
    assert before.text_digest != after.fetched.text_digest
    assert "data_leak" in after.labels
    assert house.archive.has(
        item_id, before.document_digest
    )  # the earlier revision stays


def test_an_incomplete_page_waits_for_the_text_from_its_sender(
    house: House, web_site: Site
) -> None:
    teaser = page(
        "Clinic chain exposed patient records", "Subscribe to read the full story."
    )
    url = web_site.put("/wall", teaser)
    item_id = house.submit(url=url)
    house.work()
    receipt = house.receipt(item_id)
    assert (receipt["state"], receipt["reason"]) == ("rejected", "incomplete")
    answer = house.post(
        {"url": url, "text": LEAK, "title": "Clinic chain exposed patient records"}
    )
    assert (answer.status_code, answer.get_json()["id"]) == (202, item_id)
    house.work()
    item = house.item(item_id)
    assert (item.state, item.is_text_given) == (State.CLASSIFIED, True)
    assert "data_leak" in item.labels
    assert web_site.seen.count("/wall") == 1
    assert digest_of(b"") not in house.archive.digests(item_id)


def test_no_word_of_a_server_or_a_sites_name_enters_the_log(
    house: House, web_site: Site
) -> None:
    head = '<meta property="og:site_name" content="Quibblewick Gazette">'
    body = page("Clinic chain exposed patient records", LEAK, head)
    item_id = house.submit(url=web_site.put("/named", body))
    for path, kind in (("/a", "text/quibblewick"), ("/b", "quibblewick/pdf")):
        house.submit(url=web_site.put(path, b"%PDF-1.4 none", Content_Type=kind))
    house.submit(url=web_site.put("/c", b"x" * 99, Content_Type="text/quibblewick"))
    house.work()
    assert "uibblewick" not in " ".join(entry.data for entry in house.log.read())
    fetched = house.item(item_id).fetched
    assert fetched is not None
    kept = house.archive.get(item_id, fetched.document_digest)
    assert StoredDocument.from_bytes(kept).site == "Quibblewick Gazette"
