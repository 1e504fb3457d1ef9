"""The text that came with an address stands in for a page that is refused."""

from __future__ import annotations

import pytest

from incidentwire.documents import StoredDocument
from incidentwire.items import State
from tests.harness import LEAK, Harness, Site, page

TITLE = "Clinic chain exposed patient records"


def stored(harness: Harness, item_id: str) -> StoredDocument:
    fetched = harness.item(item_id).fetched
    assert fetched is not None
    assert fetched.given
    return StoredDocument.from_bytes(
        harness.archive.get(item_id, fetched.document_digest)
    )


def test_a_feeds_own_text_is_used_if_its_page_is_refused(
    harness: Harness, web_site: Site
) -> None:
    url = web_site.put("/story", b"no", 403)
    item_id = harness.submit(url=url, title=TITLE, text=LEAK, published="2026-03-11")
    harness.work()
    item = harness.item(item_id)
    assert item.state is State.CLASSIFIED
    assert "data_leak" in item.labels
    document = stored(harness, item_id)
    assert (document.title, document.published) == (TITLE, "2026-03-11")
    assert harness.in_flight() == {}


def test_a_page_that_is_there_counts_more_than_the_text_that_came_along(
    harness: Harness, web_site: Site
) -> None:
    url = web_site.put("/story", page(TITLE, LEAK.replace("61,000", "72,000")))
    item_id = harness.submit(url=url, title=TITLE, text=LEAK)
    harness.work()
    fetched = harness.item(item_id).fetched
    assert fetched is not None
    assert not fetched.given


def test_a_teaser_gives_way_to_the_whole_text_that_came_along(
    harness: Harness, web_site: Site
) -> None:
    url = web_site.put("/wall", page(TITLE, "Subscribe to read the full story."))
    item_id = harness.submit(url=url, title=TITLE, text=LEAK)
    harness.work()
    assert harness.item(item_id).state is State.CLASSIFIED
    assert stored(harness, item_id).text.startswith("A chain of clinics")
    assert len(harness.archive.digests(item_id)) == 1  # nothing of the teaser


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (404, LEAK, "not_found"),
        (451, LEAK, "unavailable_for_legal_reasons"),
        (403, "Clinics leaked records. Read more.", "forbidden"),
    ],
)
def test_a_text_taken_back_or_a_teaser_does_not_stand_in(
    harness: Harness, web_site: Site, status: int, text: str, reason: str
) -> None:
    item_id = harness.submit(url=web_site.put("/x", b"no", status), text=text)
    harness.work()
    item = harness.item(item_id)
    assert (item.state, item.reason) == (State.REJECTED, reason)
