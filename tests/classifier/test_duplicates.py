"""A page is a copy of a known item only if nothing is lost by it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from incidentwire.events import ItemClassified, ItemFetched
from incidentwire.items import Item, State
from incidentwire.net import urls
from services.classifier.duplicates import find_original
from services.classifier.extraction.extract import Document
from services.classifier.extraction.pagination import continues
from tests.harness import LEAK, PLAIN, Harness, Site, page

STORY = "https://news.example.com/2026/harbour-fire"
COPY = f"{STORY}/amp"
DIGEST = "0" * 64
TEXT = "A fire at the harbour destroyed the records of the customs house on Sunday."


def document(**fields: object) -> Document:
    base = Document(
        title="Harbour fire",
        text=TEXT,
        completeness=1.0,
        shortcoming=None,
        words=100,
        media_type="text/html",
        canonical_url=STORY,
    )
    return replace(base, **fields)  # type: ignore[arg-type]


def known(url: str = STORY, words: int = 100, state: State = State.CLASSIFIED) -> Item:
    fetched = ItemFetched(document_digest=DIGEST, text_digest=DIGEST, words=words)
    judged = ItemClassified(
        text_digest=DIGEST,
        model="m",
        scores={},
        labels=(),
        labels_before=(),
        evidence={},
        review=(),
        mentions=(),
        language="en",
    )
    return Item(
        id=urls.item_id(url),
        version=3,
        state=state,
        url=url,
        fetched=fetched,
        classified=judged,
    )


def original(
    found: Document, *others: Item, page_url: str = COPY, text: str = TEXT
) -> str | None:
    by_id = {item.id: item for item in others}
    duplicate = find_original(
        Item(id=urls.item_id("https://news.example.com/own"), version=1),
        page_url,
        found,
        lambda item_id: by_id.get(item_id, Item(id=item_id)),
        lambda _: text,
    )
    return duplicate.canonical_url if duplicate else None


def test_a_copy_of_a_classified_item_is_its_alias() -> None:
    assert original(document(), known()) == STORY


@pytest.mark.parametrize(
    ("text", "believed"),
    [
        (f"{TEXT} Nobody was hurt.", True),
        (TEXT.replace("harbour", "port"), True),
        (
            "A hotel kept the faces of its guests for years and told none of them.",
            False,
        ),
        ("", False),
    ],
)
def test_the_original_has_the_text_of_the_copy(text: str, *, believed: bool) -> None:
    assert (original(document(), known(), text=text) == STORY) is believed
    wall = document(shortcoming="paywall", text="Subscribe to read on.")
    assert original(wall, known(), text=text) == STORY


def test_a_redirect_to_an_original_needs_no_equal_text() -> None:
    live = document(canonical_url=None, text="The fire is out.")
    assert original(live, known(), page_url=STORY) == STORY


def test_an_original_that_is_still_pending_is_believed() -> None:
    pending = replace(known(state=State.QUEUED), fetched=None, classified=None)
    assert original(document(), pending) == STORY


@pytest.mark.parametrize(
    "state", [State.REJECTED, State.ALIASED, State.WITHDRAWN], ids=str
)
def test_an_item_without_a_text_that_counts_is_no_original(state: State) -> None:
    assert original(document(), known(state=state)) is None


def test_a_much_shorter_original_is_a_teaser_and_the_text_stays() -> None:
    assert original(document(words=400), known(words=60)) is None


@pytest.mark.parametrize("root", ["/", "/index.html", "/?utm_source=x"])
def test_a_site_root_is_the_original_of_no_article(root: str) -> None:
    home = urls.canonicalize(f"https://news.example.com{root}")
    assert original(document(canonical_url=home), known(home)) is None


@pytest.mark.parametrize(
    "claimed",
    [
        "https://news.example.com:99999/2026/harbour-fire",
        "https://user@news.example.com/2026/harbour-fire",
        f"{STORY}?{'x' * 2100}",
        "https://[::1/2026/harbour-fire",
        "https://news.example.com\\2026",
        "https://elsewhere.example.net/2026/harbour-fire",
    ],
)
def test_a_claim_that_is_no_strict_url_of_the_same_owner_is_passed_over(
    claimed: str,
) -> None:
    assert original(document(canonical_url=claimed), known()) is None


def test_a_final_address_may_be_longer_than_a_submitted_url() -> None:
    long = f"{STORY}?session={'a' * 2500}"
    assert original(document(), known(), page_url=long) == STORY


def test_page_two_is_no_copy_of_page_one() -> None:
    assert original(document(), known(), page_url=f"{STORY}?page=2") is None
    assert original(document(is_continuation=True), known()) is None


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (STORY, f"{STORY}?page=2"),
        (STORY, f"{STORY}/2"),
        (f"{STORY}/", f"{STORY}/page/3/"),
        (f"{STORY}.html", f"{STORY}_2.html"),
        (f"{STORY}?id=7", f"{STORY}?id=7&seite=2"),
        (f"{STORY}?page=2", f"{STORY}?page=3"),
    ],
)
def test_a_further_page_is_known_by_its_address(first: str, later: str) -> None:
    assert continues(first, later)
    assert not continues(later, first)


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (STORY, STORY),
        (STORY, f"{STORY}-again"),
        (
            "https://news.example.com/archive/123",
            "https://news.example.com/archive/124",
        ),
        (f"{STORY}?id=7", f"{STORY}?id=8"),
        (f"{STORY}?page=2", f"{STORY}?page=2000000000000"),
        (STORY, "https://[bad"),
    ],
)
def test_another_article_is_no_further_page(first: str, later: str) -> None:
    assert not continues(first, later)


def test_canonical_links_to_a_rejected_home_page_lose_no_article(
    harness: Harness, web_site: Site
) -> None:
    harness.submit(url=web_site.put("/", page("The Harbour Post", "Home")))
    harness.work()
    head = f'<link rel="canonical" href="{web_site.url("/")}">'
    title = "Clinic chain exposed patient records"
    story = harness.submit(url=web_site.put("/story", page(title, LEAK, head)))
    harness.work()
    assert harness.types(story)[-1] == "item.classified"


@pytest.mark.parametrize(
    "path", ["/a story", "/story%", "http://x:99999/", "//u@127.0.0.1/"]
)
def test_no_canonical_link_ends_an_item(
    harness: Harness, web_site: Site, path: str
) -> None:
    head = f'<link rel="canonical" href="{path}">'
    title = "Clinic chain exposed patient records"
    story = harness.submit(url=web_site.put("/story", page(title, LEAK, head)))
    harness.work()
    assert harness.types(story)[-1] == "item.classified"


def test_a_template_that_names_one_story_as_all_originals_loses_no_other(
    harness: Harness, web_site: Site
) -> None:
    first = page("Clinic chain exposed patient records", LEAK)
    harness.submit(url=web_site.put("/first", first))
    harness.work()
    head = f'<link rel="canonical" href="{web_site.url("/first")}">'
    copy = harness.submit(
        url=web_site.put("/copy", page("Clinic chain exposed records", LEAK, head))
    )
    other = harness.submit(
        url=web_site.put("/other", page("Benches return", PLAIN, head))
    )
    harness.work()
    assert harness.types(copy)[-1] == "item.aliased"
    assert harness.types(other)[-1] != "item.aliased"
