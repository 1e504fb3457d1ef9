"""One page from the network: what came, or why nothing did and whether to try again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from incidentwire.net.client import (
    RETRYABLE_STATUSES,
    HttpClient,
    OutboundError,
    Response,
    retry_after_s,
)
from services.classifier.extraction.extract import Document, ExtractError, extract
from services.classifier.fetching.result import FetchedPage, FetchFailure

MAX_META_REFRESH = 2  # pages that only send on to the next one
ACCEPT = (
    "text/html,application/xhtml+xml,application/pdf;q=0.9,text/plain;q=0.9,*/*;q=0.1"
)
GONE = {
    404: "not_found",
    410: "not_found",
    401: "forbidden",
    403: "forbidden",
    451: "unavailable_for_legal_reasons",
}


def fetch(
    door: HttpClient, url: str, now: Callable[[], datetime]
) -> FetchedPage | FetchFailure:
    """Get one page, through redirects that the door checks. Every failure is a value."""
    try:
        answer = door.get(url, {"Accept": ACCEPT})
    except OutboundError as error:
        return FetchFailure(
            reason=error.reason,
            detail=error.detail,
            retryable=error.retryable,
            retry_after_s=error.retry_after_s,
        )
    if 200 <= answer.status < 300:
        return _page(answer)
    wait = retry_after_s(answer.headers.get("retry-after"), now=now())
    reason = GONE.get(
        answer.status, "too_many_requests" if answer.status == 429 else "http_status"
    )
    later = answer.status in RETRYABLE_STATUSES
    return FetchFailure(
        reason=reason,
        detail=f"the server answered {answer.status}",
        retryable=later,
        retry_after_s=wait,
    )


def fetch_document(
    door: HttpClient, url: str, now: Callable[[], datetime]
) -> tuple[FetchedPage, Document] | FetchFailure:
    """Get a page and read its article, going where a page of nothing but a meta refresh points."""
    for _ in range(MAX_META_REFRESH + 1):
        page = fetch(door, url, now)
        if isinstance(page, FetchFailure):
            return page
        document = read(page)
        if isinstance(document, FetchFailure):
            return document
        if not document.refresh_url:
            return page, document
        url = document.refresh_url
    return FetchFailure(
        reason="too_many_redirects", detail="the page only refreshes to the next one"
    )


def read(page: FetchedPage) -> Document | FetchFailure:
    """The article of a page."""
    try:
        return extract(
            page.body, media_type=page.media_type, charset=page.charset, url=page.url
        )
    except ExtractError as error:
        return FetchFailure(reason=error.reason, detail=error.detail)


def _page(answer: Response) -> FetchedPage:
    media_type, _, parameters = answer.headers.get("content-type", "").partition(";")
    charset = None
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip("\"'") or None
    return FetchedPage(
        url=answer.url,
        status=answer.status,
        media_type=media_type.strip().lower(),
        charset=charset,
        headers=json.dumps(list(answer.headers.items()), ensure_ascii=False).encode(),
        body=answer.body,
    )
