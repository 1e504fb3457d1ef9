"""The text that came with an address stands in for a page that is refused."""

from __future__ import annotations

import pytest

from incidentwire.documents import StoredDocument
from incidentwire.items import State
from tests.house import LEAK, House, Site, page

TITLE = "Clinic chain exposed patient records"


def stored(house: House, item_id: str) -> StoredDocument:
    fetched = house.item(item_id).fetched
    assert fetched is not None
    assert fetched.given
    return StoredDocument.from_bytes(
        house.archive.get(item_id, fetched.document_digest)
    )


def test_a_feeds_own_text_is_used_if_its_page_is_refused(
    house: House, web_site: Site
) -> None:
    url = web_site.put("/story", b"no", 403)
    item_id = house.submit(url=url, title=TITLE, text=LEAK, published="2026-03-11")
    house.work()
    item = house.item(item_id)
    assert item.state is State.CLASSIFIED
    assert "data_leak" in item.labels
    document = stored(house, item_id)
    assert (document.title, document.published) == (TITLE, "2026-03-11")
    assert house.in_flight() == {}


def test_a_page_that_is_there_counts_more_than_the_text_that_came_along(
    house: House, web_site: Site
) -> None:
    url = web_site.put("/story", page(TITLE, LEAK.replace("61,000", "72,000")))
    item_id = house.submit(url=url, title=TITLE, text=LEAK)
    house.work()
    fetched = house.item(item_id).fetched
    assert fetched is not None
    assert not fetched.given


def test_a_teaser_gives_way_to_the_whole_text_that_came_along(
    house: House, web_site: Site
) -> None:
    url = web_site.put("/wall", page(TITLE, "Subscribe to read the full story."))
    item_id = house.submit(url=url, title=TITLE, text=LEAK)
    house.work()
    assert house.item(item_id).state is State.CLASSIFIED
    assert stored(house, item_id).text.startswith("A chain of clinics")
    assert len(house.archive.digests(item_id)) == 1  # nothing of the teaser


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (404, LEAK, "not_found"),
        (451, LEAK, "unavailable_for_legal_reasons"),
        (403, "Clinics leaked records. Read more.", "forbidden"),
    ],
)
def test_a_text_taken_back_or_a_teaser_does_not_stand_in(
    house: House, web_site: Site, status: int, text: str, reason: str
) -> None:
    item_id = house.submit(url=web_site.put("/x", b"no", status), text=text)
    house.work()
    item = house.item(item_id)
    assert (item.state, item.reason) == (State.REJECTED, reason)
