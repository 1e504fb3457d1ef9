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
from services.classifier.extraction.extract import Document
from services.classifier.extraction.pagination import continues

# An original whose text has less than this share of the copy's words is a teaser.
SHORTEST_ORIGINAL = 0.7
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
    reached_before: str | None = None,
) -> Duplicate | None:
    """Return the known item that the page is a copy of, None if it stands for itself.

    `page_url` is the address after redirects, `lookup` returns the state of an item by
    its id (version 0 if unknown). Only claims within one registrable domain count: a
    page must not be able to take over another site's item. An item that had a text of
    its own before keeps it. `reached_before` is the id of an item that may have been
    redirected to this page.
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
        if _is_worth(lookup(original.item_id), document.words):
            return original
    if reached_before is None:
        return None
    return _redirected_here(lookup(reached_before), item, document.words)


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
