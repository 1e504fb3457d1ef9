"""One key cannot replace another's text, a fetched page or what a person corrected."""

from __future__ import annotations

import pytest
import redis

from incidentwire.events import ItemCorrected, ItemTextSupplied
from incidentwire.web.keys import Keys
from services.ingest.ownership import MAX_REQUESTS
from tests.house import LEAK, PLAIN, House, Site, page

OTHER = (
    "Mayor Jane Roe leaked all the data herself, a person close to nobody said. " * 9
)


@pytest.fixture
def stranger(connection: redis.Redis) -> str:
    """Return the header of another key that may only submit."""
    return f"Bearer {Keys(connection).create('stranger', ['submit'])}"


def texts(house: House, item_id: str) -> list[str]:
    return [
        entry.event.who
        for entry in house.log.history(item_id)
        if isinstance(entry.event, ItemTextSupplied)
    ]


def test_a_text_never_displaces_a_fetched_page(
    house: House, web_site: Site, stranger: str
) -> None:
    url = web_site.put("/leak", page("Clinics exposed records", LEAK))
    item_id = house.submit(url=url)
    house.work()
    before = house.item(item_id)
    kept = house.archive.digests(item_id)
    answer = house.post({"url": url, "text": OTHER}, Authorization=stranger)
    assert (answer.status_code, answer.get_json()["known"]) == (200, True)
    assert house.item(item_id) == before
    assert house.archive.digests(item_id) == kept


def test_a_text_for_a_page_that_cannot_be_fetched_is_used_and_attributed(
    house: House, web_site: Site, stranger: str
) -> None:
    url = web_site.put("/gone", b"no", status=403)
    item_id = house.submit(url=url)
    house.work()
    answer = house.post({"url": url, "text": LEAK}, Authorization=stranger)
    assert answer.status_code == 202
    house.work()
    item = house.item(item_id)
    assert item.fetched is not None
    assert item.fetched.given
    assert texts(house, item_id) == ["stranger"]


def test_a_text_never_displaces_that_of_another_key_but_its_own(
    house: House, web_site: Site, stranger: str
) -> None:
    url = web_site.put("/gone", b"no", status=403)
    item_id = house.submit(url=url)
    house.work()
    assert house.post({"url": url, "text": LEAK}).status_code == 202
    house.work()
    house.post({"url": url, "text": OTHER}, Authorization=stranger)
    assert texts(house, item_id) == ["tester"]
    assert house.post({"url": url, "text": LEAK + " More."}).status_code == 202
    assert texts(house, item_id) == ["tester", "tester"]


def test_a_text_never_comes_under_labels_that_a_person_set(
    house: House, web_site: Site
) -> None:
    url = web_site.put("/gone", b"no", status=403)
    item_id = house.submit(url=url)
    house.work()
    house.log.append(item_id, ItemCorrected(who="ann", labels=("data_leak",)))
    assert house.post({"url": url, "text": OTHER}).status_code == 200
    assert texts(house, item_id) == []


def test_one_key_asks_for_one_item_so_often_a_day(house: House, web_site: Site) -> None:
    url = web_site.put("/gone", b"no", status=403)
    item_id = house.submit(url=url)
    house.work()
    statuses = [
        house.post({"url": url, "text": f"{LEAK} {n}"}).status_code
        for n in range(MAX_REQUESTS + 1)
    ]
    assert statuses == [202] * MAX_REQUESTS + [429]
    assert len(texts(house, item_id)) == MAX_REQUESTS
    assert int(house.post({"url": url, "text": "Other words."}).headers["Retry-After"])


def test_a_receipt_is_for_its_submitters_and_for_readers(
    house: House, connection: redis.Redis, stranger: str
) -> None:
    item_id = house.submit(text=PLAIN)
    path = f"/v1/submissions/{item_id}"

    def status(header: str) -> int:
        headers = {"Authorization": header}
        return house.ingest_client.get(path, headers=headers).status_code

    assert status(house.auth["Authorization"]) == 200
    assert status(house.reader["Authorization"]) == 200
    assert status(stranger) == 403
    retry = house.post({}, f"{path}/retry", Authorization=stranger)
    assert retry.status_code == 403


def test_an_address_after_a_hashbang_is_refused_with_the_reason(house: House) -> None:
    answer = house.post({"url": "https://app.example/#!/news/1"})
    assert answer.status_code == 422
    assert "#!" in answer.get_json()["errors"][0]["message"]
    assert house.post({"url": "https://app.example/news#part"}).status_code == 202
