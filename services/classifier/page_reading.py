"""Read the article of a fetched page, following pages that only refresh to another."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from incidentwire.net.client import HttpClient
from services.classifier.extraction.extract import Document, ExtractError, extract
from services.classifier.fetching.fetch import fetch
from services.classifier.fetching.result import FetchedPage, FetchFailure

MAX_REFRESHES = 2  # pages in a row that only send on to the next one


def read(page: FetchedPage) -> Document | FetchFailure:
    """Return the document of a page, or why there is none."""
    try:
        return extract(
            page.body, media_type=page.media_type, charset=page.charset, url=page.url
        )
    except ExtractError as error:
        return FetchFailure(reason=error.reason, detail=error.detail)


def only_refreshes() -> FetchFailure:
    """Return the failure of a page that sends on too often."""
    return FetchFailure(
        reason="too_many_redirects", detail="the page only refreshes to another page"
    )


def fetch_document(
    client: HttpClient, url: str, now: Callable[[], datetime]
) -> tuple[FetchedPage, Document] | FetchFailure:
    """Fetch and read one page here and now, for the command line."""
    for _ in range(MAX_REFRESHES + 1):
        page = fetch(client, url, now)
        if isinstance(page, FetchFailure):
            return page
        document = read(page)
        if isinstance(document, FetchFailure):
            return document
        if not document.refresh_url:
            return page, document
        url = document.refresh_url
    return only_refreshes()
