"""A submission after its fields were checked, and what became of it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from incidentwire.documents import StoredDocument
from incidentwire.net import urls

# Fragments are dropped: all such pages of a site would be one item.
HASHBANG = re.compile(r"#!.")
EMPTY = StoredDocument()


@dataclass(frozen=True, kw_only=True)
class WebAddress:
    """A URL as it was sent, and its canonical form, also in parts."""

    url: str
    canonical: str
    parts: urls.Parts

    @classmethod
    def of(cls, url: str) -> WebAddress:
        """Canonicalise a URL. Raises urls.UrlError, whose message names the remedy."""
        if HASHBANG.search(url):
            raise urls.UrlError(
                "the URL names its page after #!, which no server sees: "
                "send the page's own address, or its text"
            )
        parts = urls.canonical_parts(url)
        return cls(url=url, canonical=parts.url, parts=parts)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A submitted news item: a URL, a text, or both."""

    id: str
    address: WebAddress | None = None
    given: StoredDocument | None = None

    @classmethod
    def of(
        cls,
        *,
        address: WebAddress | None = None,
        text: str = "",
        title: str = "",
        published: str | None = None,
        language: str | None = None,
    ) -> Submission:
        """Build a submission; without an address, title and text make its id.

        Raises urls.UrlError for a text with lone surrogates.
        """
        given = StoredDocument(
            title=title, text=text, published=published, language=language
        )
        item_id = (
            urls.item_id(address.canonical)
            if address
            else urls.text_item_id(title, text)
        )
        return cls(id=item_id, address=address, given=None if given == EMPTY else given)

    @property
    def text(self) -> str:
        """The text that came along; empty if none did."""
        return self.given.text if self.given else ""


@dataclass(frozen=True, kw_only=True)
class SubmissionOutcome:
    """What became of a submission. `known`: the item was there, nothing was added."""

    id: str
    position: int
    known: bool
