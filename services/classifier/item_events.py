"""Build the events for a fetched page and for its classification. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from incidentwire.dates import unless_future
from incidentwire.documents import StoredDocument
from incidentwire.events import (
    ItemClassified,
    ItemFetched,
)
from incidentwire.items import Item
from incidentwire.labels import Label, MentionRef
from incidentwire.normal_form import normalize
from services.classifier.extraction.media_types import HTML, PDF, PLAIN, UNDECLARED
from services.classifier.fetching.result import FetchedPage
from services.classifier.text.words import count_words

if TYPE_CHECKING:  # the fetcher and the keeper load no model and no extraction
    from services.classifier.extraction.extract import Document
    from services.classifier.labelling.classifier import Classification

SCORE_DIGITS = 3
# The types that extraction reads; servers may send any words in Content-Type.
MEDIA_TYPES = frozenset({*HTML, *PLAIN, *PDF, *(UNDECLARED - {""})})


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A stored text: the document, and the archive digests of its parts."""

    document: StoredDocument
    document_digest: str
    page: FetchedPage | None = None
    page_digest: str | None = None
    headers_digest: str | None = None
    completeness: float = 1.0


def document_of(
    found: Document, given: StoredDocument | None, now: datetime
) -> StoredDocument:
    """Return the document of a page.

    The submitter's title, date and language are used if the page states none. A date of
    publication after `now` is none.
    """
    given = given or StoredDocument()
    published = unless_future(found.published, now)
    return StoredDocument(
        title=found.title or given.title,
        text=found.text,
        author=found.author,
        published=published or unless_future(given.published, now),
        language=found.language or given.language,
        site=found.site,
        section=found.section,
    )


def clean_given(given: StoredDocument, now: datetime) -> StoredDocument:
    """Return a submitted document in the form of stored texts.

    This is NFC, without control characters other than line breaks and tabs, and without
    a date of publication after `now`.
    """
    return StoredDocument(
        title=_clean(given.title),
        text=_clean(given.text),
        published=unless_future(given.published, now),
        language=given.language,
    )


def fetched(revision: Revision) -> ItemFetched:
    """Return the event of a stored revision."""
    page = revision.page
    document = revision.document
    return ItemFetched(
        document_digest=revision.document_digest,
        text_digest=document.text_digest,
        words=count_words(document.text),
        final_url=page.url if page else None,
        status=page.status if page else None,
        media_type=known_media_type(page.media_type) if page else None,
        bytes=len(page.body) if page else None,
        page_digest=revision.page_digest,
        headers_digest=revision.headers_digest,
        published=document.published,
        language=document.language,
        completeness=round(revision.completeness, 2),
        given=page is None,
        robots_allowed=page.robots_allowed if page else None,
    )


def known_media_type(stated: str) -> str | None:
    """Return a supported media type, else None: other values stay out of the log."""
    return stated if stated in MEDIA_TYPES else None


def classified(
    item: Item,
    text_digest: str,
    result: Classification,
    model: str,
    second_opinion: Mapping[str, str] | None = None,
) -> ItemClassified:
    """Return the event of a classification. Labels set by a person are not changed."""
    model_labels = labels_of(result.labels)
    labels = item.corrected.labels if item.corrected else model_labels
    return ItemClassified(
        text_digest=text_digest,
        model=model,
        scores={
            label: round(score, SCORE_DIGITS) for label, score in result.scores.items()
        },
        labels=labels,
        labels_before=item.labels,
        model_labels=None if model_labels == labels else model_labels,
        evidence=dict(result.evidence),
        review=result.review,
        mentions=tuple(
            MentionRef(
                id=m.id,
                start=m.start,
                end=m.end,
                labels=labels_of(m.labels),
                fingerprint=m.fingerprint,
            )
            for m in result.mentions
        ),
        language=result.language,
        second_opinion=second_opinion,
    )


def labels_of(labels: Sequence[str]) -> tuple[Label, ...]:
    """Return the labels as the type that events use."""
    # A test of the model verifies that its labels are those of the type.
    return tuple(labels)  # type: ignore[arg-type]


def _clean(text: str) -> str:
    text = normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    kept = (c if c in "\n\t" or unicodedata.category(c) != "Cc" else " " for c in text)
    return "".join(kept).strip()
