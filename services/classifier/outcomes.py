"""From what was found to what is said of it: the events with which an item's question is answered. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from incidentwire.documents import StoredDocument
from incidentwire.events import (
    Event,
    ItemClassified,
    ItemDeferred,
    ItemFetched,
    ItemRejected,
)
from incidentwire.items import Item
from incidentwire.labels import Label, MentionRef
from incidentwire.normal_form import normalize
from services.classifier.extraction.extract import (
    HTML,
    PDF,
    PLAIN,
    UNSAID,
    Document,
)
from services.classifier.fetching.result import FetchedPage, FetchFailure
from services.classifier.labelling.classifier import Classification
from services.classifier.text.words import count_words

SCORE_DIGITS = 3
# The types that extraction reads; servers may send any words in Content-Type.
MEDIA_TYPES = frozenset({*HTML, *PLAIN, *PDF, *(UNSAID - {""})})
MAX_DETAIL = (
    200  # characters of a reason's detail: enough for a sentence, too little for a page
)


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A text that was kept: the document, and what the archive calls its parts."""

    document: StoredDocument
    document_digest: str
    page: FetchedPage | None = None
    page_digest: str | None = None
    headers_digest: str | None = None
    completeness: float = 1.0


def kept_document(found: Document, given: StoredDocument | None) -> StoredDocument:
    """The page's document; what the submitter said of title, date and language fills what the page does not say."""
    given = given or StoredDocument()
    return StoredDocument(
        title=found.title or given.title,
        text=found.text,
        author=found.author,
        published=found.published or given.published,
        language=found.language or given.language,
        site=found.site,
        section=found.section,
    )


def clean_given(given: StoredDocument) -> StoredDocument:
    """A handed-in document in the form in which texts are kept: NFC, no control characters but line breaks."""
    return StoredDocument(
        title=_clean(given.title),
        text=_clean(given.text),
        published=given.published,
        language=given.language,
    )


def fetched(revision: Revision) -> ItemFetched:
    """The fact that a revision was kept."""
    page, document = revision.page, revision.document
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
    """Return the media type if it is one that is read; a server's other words stay out
    of the log."""
    return stated if stated in MEDIA_TYPES else None


def classified(
    item: Item,
    text_digest: str,
    said: Classification,
    model: str,
    second_opinion: Mapping[str, str] | None = None,
) -> ItemClassified:
    """The model's judgement; labels that a person set stay as they are."""
    model_labels = labels_of(said.labels)
    labels = item.corrected.labels if item.corrected else model_labels
    return ItemClassified(
        text_digest=text_digest,
        model=model,
        scores={
            label: round(score, SCORE_DIGITS) for label, score in said.scores.items()
        },
        labels=labels,
        labels_before=item.labels,
        model_labels=None if model_labels == labels else model_labels,
        evidence=dict(said.evidence),
        review=said.review,
        mentions=tuple(
            MentionRef(
                id=m.id,
                start=m.start,
                end=m.end,
                labels=labels_of(m.labels),
                fingerprint=m.fingerprint,
            )
            for m in said.mentions
        ),
        language=said.language,
        second_opinion=second_opinion,
    )


def retry_or_reject(
    item: Item,
    failure: FetchFailure,
    delays_s: Sequence[float],
    max_wait_s: float,
    now: datetime,
) -> Event:
    """A failure as a fact: the next attempt where there is one, else the end."""
    attempt = item.attempt + 1
    detail = failure.detail[:MAX_DETAIL]
    if not failure.retryable:
        return ItemRejected(reason=failure.reason, detail=detail)
    if attempt > len(delays_s):
        return ItemRejected(
            reason=failure.reason,
            detail=f"{detail} ({attempt} attempts)",
            retryable=True,
        )
    wait_s = max(delays_s[attempt - 1], min(failure.retry_after_s or 0.0, max_wait_s))
    next_try = (
        (now + timedelta(seconds=wait_s))
        .isoformat(timespec="seconds")
        .replace("+00:00", "Z")
    )
    return ItemDeferred(
        reason=failure.reason, attempt=attempt, next_try=next_try, detail=detail
    )


def labels_of(labels: Sequence[str]) -> tuple[Label, ...]:
    """The model's labels, as the events' type has them."""
    return tuple(labels)  # type: ignore[arg-type]  # the model's labels are the four, which its own test says


def _clean(text: str) -> str:
    text = normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    kept = (c if c in "\n\t" or unicodedata.category(c) != "Cc" else " " for c in text)
    return "".join(kept).strip()
