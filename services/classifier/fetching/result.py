"""The result of a fetch: a page, or the reason why there is none. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FetchFailure:
    """Why there is no page. `reason` is a stable slug, `detail` a sentence without words
    of the page; `retry_after_s` (seconds) is what the server asked for."""

    reason: str
    detail: str = ""
    retryable: bool = False
    retry_after_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class FetchedPage:
    """A page as a server sent it, `body` after content decoding.

    `url` is the address after redirects, `headers` the status line and header lines as
    sent. `robots_allowed` is what robots.txt says, None if that is not known.
    """

    url: str
    status: int
    media_type: str
    charset: str | None
    headers: bytes
    body: bytes
    robots_allowed: bool | None = None


FetchResult = FetchedPage | FetchFailure
