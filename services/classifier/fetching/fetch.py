"""Fetch one page: every failure is a value that says whether to try again."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from incidentwire.charsets import label_of
from incidentwire.net.client import (
    RETRYABLE_STATUSES,
    HttpClient,
    OutboundError,
    Response,
    retry_after_s,
)
from services.classifier.fetching.result import FetchedPage, FetchFailure, FetchResult

ACCEPT = (
    "text/html,application/xhtml+xml,application/pdf;q=0.9,text/plain;q=0.9,*/*;q=0.1"
)
REASONS = {
    401: "forbidden",
    403: "forbidden",
    404: "not_found",
    410: "not_found",
    429: "too_many_requests",
    451: "unavailable_for_legal_reasons",
}
# The media type goes into the log, so that it must not carry other words of a server.
MEDIA_TYPE = re.compile(r"[a-z]{1,20}/[a-z0-9.+-]{1,80}")

CONTENT_RANGE = re.compile(r"bytes 0-([0-9]{1,18})/([0-9]{1,18})")  # from the start


def fetch(
    client: HttpClient,
    url: str,
    now: Callable[[], datetime],
    before_host: Callable[[str], None] | None = None,
) -> FetchResult:
    """Fetch one page through its redirects.

    `before_host` is called before the first request to each host of the way; what it
    raises is not caught.
    """
    try:
        response = client.get(url, {"Accept": ACCEPT}, before_host=before_host)
    except OutboundError as error:
        return FetchFailure(
            reason=error.reason,
            detail=error.detail,
            retryable=error.retryable,
            retry_after_s=error.retry_after_s,
        )
    if 200 <= response.status < 300 and not _is_part(response):
        return _page(response)
    return FetchFailure(
        reason=REASONS.get(response.status, "http_status"),
        detail=f"the server answered {response.status}",
        retryable=response.status in RETRYABLE_STATUSES,
        retry_after_s=retry_after_s(response.headers.get("retry-after"), now=now()),
    )


def _is_part(response: Response) -> bool:
    """Return True for a part of a page, which nobody asked for."""
    if response.status != 206:
        return False
    part = CONTENT_RANGE.fullmatch(response.headers.get("content-range", "").strip())
    return part is None or int(part[1]) + 1 != int(part[2])


def _page(response: Response) -> FetchedPage:
    content_type = response.headers.get("content-type", "")
    media_type, _, parameters = content_type.partition(";")
    return FetchedPage(
        url=response.url,
        status=response.status,
        media_type=_media_type(media_type),
        charset=_charset(parameters),
        headers=response.head,
        body=response.body,
    )


def _media_type(value: str) -> str:
    """Return the media type in lower case, "" for something else."""
    media_type = value.strip().lower()
    return media_type if MEDIA_TYPE.fullmatch(media_type) else ""


def _charset(parameters: str) -> str | None:
    """Return the standard name of the charset, None for words that are none."""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return label_of(value)
    return None
