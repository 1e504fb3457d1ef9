"""Whether a page is a copy of an item that is already known. Pure.

A page names its original by `rel=canonical` or `rel=amphtml`, or is reached by a
redirect to it. Templates name wrong ones, so a claim is believed only if nothing would
be lost by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from incidentwire.items import IN_FLIGHT, Item, State
from incidentwire.net import urls
from services.classifier.extraction.boilerplate import squeeze
from services.classifier.extraction.extract import Document
from services.classifier.extraction.pagination import continues

# An original whose text has less than this share of the copy's words is a teaser.
SHORTEST_ORIGINAL = 0.7
# Versions of one article share at least this share of the shorter one's passages;
# articles of a template that names one of them as the original of all share none.
SAME_SHARE = 0.2
PASSAGE_CHARS = 12  # letters and digits
COMPARED_CHARS = 20_000  # of each text
ROOT_PATHS = frozenset({"/", "/index.html", "/index.htm", "/index.php", "/home"})


@dataclass(frozen=True, kw_only=True)
class Duplicate:
    """The original of a page: its item, and its canonical URL."""

    item_id: str
    canonical_url: str


def find_original(
    item: Item,
    page_url: str,
    document: Document,
    lookup: Callable[[str], Item],
    text_of: Callable[[Item], str],
    reached_before: str | None = None,
) -> Duplicate | None:
    """Return the known item that the page is a copy of, None if it stands for itself.

    `page_url` is the address after redirects, `lookup` returns the state of an item by
    its id (version 0 if unknown), `text_of` its stored text, empty if there is none.
    Only claims within one registrable domain count: a page must not be able to take
    over another site's item. A page with another text than the original that it names
    stands for itself, and an item that had a text of its own before keeps it.
    `reached_before` is the id of an item that may have been redirected to this page.
    """
    if item.fetched is not None:
        return None
    # A redirect to the page of a known item says that both are one.
    for claimed in (document.canonical_url, document.amp_url, page_url):
        original = _claim(claimed, page_url)
        if original is None or original.item_id == item.id:
            continue
        if document.is_continuation or continues(original.canonical_url, page_url):
            continue
        known = lookup(original.item_id)
        if not _is_worth(known, document.words):
            continue
        if claimed == page_url or _may_be_copy(document, known, text_of):
            return original
    if reached_before is None:
        return None
    return _redirected_here(lookup(reached_before), item, document.words)


def _may_be_copy(
    document: Document, known: Item, text_of: Callable[[Item], str]
) -> bool:
    """Return True if nothing would be lost: the page has no text of its own that
    counts, shares passages with the known one, or that one has not been fetched."""
    if document.shortcoming is not None or known.fetched is None:
        return True
    passages = _passages(document.text)
    others = _passages(text_of(known))
    shorter = min(len(passages), len(others))
    return len(passages & others) >= max(SAME_SHARE * shorter, 1)


def _passages(text: str) -> set[str]:
    letters = squeeze(text[:COMPARED_CHARS])
    last = len(letters) - PASSAGE_CHARS
    return {letters[at : at + PASSAGE_CHARS] for at in range(last + 1)}


def _redirected_here(known: Item, item: Item, words: int) -> Duplicate | None:
    """Return the known item if its redirect ended at the page of `item`."""
    reached = known.fetched.final_url if known.fetched else None
    if known.canonical_url is None or not reached or not _is_worth(known, words):
        return None
    own = _claim(reached, reached)
    if own is None or own.item_id != item.id:
        return None
    return Duplicate(item_id=known.id, canonical_url=known.canonical_url)


def _claim(claimed: str | None, page_url: str) -> Duplicate | None:
    """Return the item that `claimed` names; None for no strict URL, a site's root or
    another owner's site."""
    if not claimed:
        return None
    try:
        canonical = urls.canonicalize(claimed)
        if _owner(canonical) != _owner(page_url):
            return None
    except ValueError:  # UrlError is one
        return None
    parts = urlsplit(canonical)
    if parts.path.lower() in ROOT_PATHS and not parts.query:
        return None
    return Duplicate(item_id=urls.item_id(canonical), canonical_url=canonical)


def _owner(url: str) -> str:
    """Return the registrable domain; only the origin of `url` is read, since final
    addresses may be longer than a submitted URL. Raises ValueError."""
    parts = urlsplit(url)
    return urls.registrable_domain(f"{parts.scheme}://{parts.netloc}/")


def _is_worth(known: Item, words: int) -> bool:
    """Return True for an item that is classified or pending and not much shorter."""
    if not known.version:
        return False
    if known.state in IN_FLIGHT:
        return known.fetched is None or _is_long_enough(known, words)
    return known.state is State.CLASSIFIED and _is_long_enough(known, words)


def _is_long_enough(known: Item, words: int) -> bool:
    return (
        known.fetched is not None and known.fetched.words >= SHORTEST_ORIGINAL * words
    )
