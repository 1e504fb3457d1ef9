"""One key cannot replace another's text, a fetched page or what a person corrected."""

from __future__ import annotations

import pytest
import redis

from incidentwire.events import ItemCorrected, ItemTextSupplied
from incidentwire.web.keys import Keys
from services.ingest.ownership import MAX_REQUESTS
from tests.harness import LEAK, PLAIN, Harness, Site, page

OTHER = (
    "Mayor Jane Roe leaked all the data herself, a person close to nobody said. " * 9
)


@pytest.fixture
def stranger(connection: redis.Redis) -> str:
    """Return the header of another key that may only submit."""
    return f"Bearer {Keys(connection).create('stranger', ['submit'])}"


def texts(harness: Harness, item_id: str) -> list[str]:
    return [
        entry.event.who
        for entry in harness.log.history(item_id)
        if isinstance(entry.event, ItemTextSupplied)
    ]


def test_a_text_never_displaces_a_fetched_page(
    harness: Harness, web_site: Site, stranger: str
) -> None:
    url = web_site.put("/leak", page("Clinics exposed records", LEAK))
    item_id = harness.submit(url=url)
    harness.work()
    before = harness.item(item_id)
    kept = harness.archive.digests(item_id)
    answer = harness.post({"url": url, "text": OTHER}, Authorization=stranger)
    assert (answer.status_code, answer.get_json()["known"]) == (200, True)
    assert harness.item(item_id) == before
    assert harness.archive.digests(item_id) == kept


def test_a_text_for_a_page_that_cannot_be_fetched_is_used_and_attributed(
    harness: Harness, web_site: Site, stranger: str
) -> None:
    url = web_site.put("/gone", b"no", status=403)
    item_id = harness.submit(url=url)
    harness.work()
    answer = harness.post({"url": url, "text": LEAK}, Authorization=stranger)
    assert answer.status_code == 202
    harness.work()
    item = harness.item(item_id)
    assert item.fetched is not None
    assert item.fetched.given
    assert texts(harness, item_id) == ["stranger"]


def test_a_text_never_displaces_that_of_another_key_but_its_own(
    harness: Harness, web_site: Site, stranger: str
) -> None:
    url = web_site.put("/gone", b"no", status=403)
    item_id = harness.submit(url=url)
    harness.work()
    assert harness.post({"url": url, "text": LEAK}).status_code == 202
    harness.work()
    harness.post({"url": url, "text": OTHER}, Authorization=stranger)
    assert texts(harness, item_id) == ["tester"]
    assert harness.post({"url": url, "text": LEAK + " More."}).status_code == 202
    assert texts(harness, item_id) == ["tester", "tester"]


def test_a_text_never_comes_under_labels_that_a_person_set(
    harness: Harness, web_site: Site
) -> None:
    url = web_site.put("/gone", b"no", status=403)
    item_id = harness.submit(url=url)
    harness.work()
    harness.log.append(item_id, ItemCorrected(who="ann", labels=("data_leak",)))
    assert harness.post({"url": url, "text": OTHER}).status_code == 200
    assert texts(harness, item_id) == []


def test_one_key_asks_for_one_item_so_often_a_day(
    harness: Harness, web_site: Site
) -> None:
    url = web_site.put("/gone", b"no", status=403)
    item_id = harness.submit(url=url)
    harness.work()
    statuses = [
        harness.post({"url": url, "text": f"{LEAK} {n}"}).status_code
        for n in range(MAX_REQUESTS + 1)
    ]
    assert statuses == [202] * MAX_REQUESTS + [429]
    assert len(texts(harness, item_id)) == MAX_REQUESTS
    assert int(
        harness.post({"url": url, "text": "Other words."}).headers["Retry-After"]
    )


def test_a_receipt_is_for_its_submitters_and_for_readers(
    harness: Harness, connection: redis.Redis, stranger: str
) -> None:
    item_id = harness.submit(text=PLAIN)
    path = f"/v1/submissions/{item_id}"

    def status(header: str) -> int:
        headers = {"Authorization": header}
        return harness.ingest_client.get(path, headers=headers).status_code

    assert status(harness.auth["Authorization"]) == 200
    assert status(harness.reader["Authorization"]) == 200
    assert status(stranger) == 403
    retry = harness.post({}, f"{path}/retry", Authorization=stranger)
    assert retry.status_code == 403


def test_an_address_after_a_hashbang_is_refused_with_the_reason(
    harness: Harness,
) -> None:
    answer = harness.post({"url": "https://app.example/#!/news/1"})
    assert answer.status_code == 422
    assert "#!" in answer.get_json()["errors"][0]["message"]
    assert harness.post({"url": "https://app.example/news#part"}).status_code == 202
