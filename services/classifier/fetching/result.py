"""What a fetch brings: a page, or why there is none. Pure, so that what is concluded from it is pure too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FetchFailure:
    """Why there is no page. `retry_after_s` is what the server asked for."""

    reason: str
    detail: str = ""
    retryable: bool = False
    retry_after_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class FetchedPage:
    """What a server sent, and its status line's worth of facts."""

    url: str  # after redirects
    status: int
    media_type: str
    charset: str | None
    headers: bytes  # JSON: list of [name, value]
    body: bytes
    robots_allowed: bool | None = None  # None: not known
