"""robots.txt (RFC 9309): honoured for what feeds bring, recorded for what people hand in.

What a host answered is kept in Redis for all workers, under `iw:host:<scheme>://<host>:robots`. Protego does the
matching: unlike the standard library's parser it knows wildcards and lets the longest rule win.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import redis
from protego import Protego

from incidentwire.net.client import HttpClient, OutboundError, RequestLimits
from incidentwire.net.rate_limit import HOST
from services.classifier.fetching.result import FetchFailure

AGENT = "Incidentwire"  # our product token: what a robots.txt calls us
KEEP_S = 86_400  # RFC 9309, 2.4: not longer than a day
UNREACHABLE_S = 300  # how long a host whose robots.txt fails is not asked for it again
MAX_BYTES = (
    500 * 1024
)  # RFC 9309, 2.5: at least so much has to be read; what is beyond is not
MAX_SENT = 2_000_000  # a larger answer is no robots.txt
MAX_PACKED = 65_536  # of one host in the store, compressed: rules are alike, so that 500 kB of them need less
MAX_DELAY_S = 10.0  # longest Crawl-delay that is honoured
PATIENT = RequestLimits(connect_s=5.0, read_s=5.0, total_s=10.0, max_bytes=MAX_SENT)
ASIDE = RequestLimits(
    connect_s=1.0, read_s=1.0, total_s=1.5, max_bytes=MAX_SENT
)  # for handed-in pages: nobody waits for it

UNREACHABLE = b"!"  # the server fails: everything is disallowed for now
ASKED = b"?"  # somebody has asked for it, and did not hear (yet)
RULES = b"="  # followed by the packed rules; none at all where the file is not there


@dataclass(frozen=True, kw_only=True)
class RobotsVerdict:
    """May a page be fetched? `failure` says why not; `delay_s` is the pause that the host asks for."""

    failure: FetchFailure | None = None
    delay_s: float = 0.0


class Robots:
    """What hosts allow, by their robots.txt."""

    def __init__(self, connection: redis.Redis, door: HttpClient) -> None:
        self.connection, self.door = connection, door

    def verdict(self, url: str) -> RobotsVerdict:
        """For pages that a feed brings: robots.txt is fetched where it is not known."""
        origin = _origin(url)
        answer = self._known(origin)
        if answer in (None, ASKED):
            answer = self._fetch(origin, PATIENT)
            self._remember(
                origin, answer, UNREACHABLE_S if answer == UNREACHABLE else KEEP_S
            )
        assert answer is not None  # noqa: S101  # _fetch said so
        if answer == UNREACHABLE:
            detail = "the host does not say what may be fetched: its robots.txt fails"
            return RobotsVerdict(
                failure=FetchFailure(
                    reason="robots_unreachable", detail=detail, retryable=True
                )
            )
        rules = _rules(answer)
        if not rules.can_fetch(url, AGENT):
            return RobotsVerdict(
                failure=FetchFailure(
                    reason="robots_disallowed",
                    detail="the host's robots.txt disallows it",
                )
            )
        return RobotsVerdict(delay_s=min(rules.crawl_delay(AGENT) or 0.0, MAX_DELAY_S))

    def allowed(self, url: str) -> bool | None:
        """For pages that were handed in: what robots.txt says, None where that is not known. Each host is asked once
        a day at most, and given a moment only; no failure counts."""
        origin = _origin(url)
        answer = self._known(origin)
        if answer is None:
            if not self.connection.set(_key(origin), ASKED, nx=True, ex=KEEP_S):
                return None
            answer = self._fetch(origin, ASIDE)
            if answer != UNREACHABLE:
                self._remember(origin, answer, KEEP_S)
        if answer in (ASKED, UNREACHABLE):
            return None
        return _rules(answer).can_fetch(url, AGENT)

    def _known(self, origin: str) -> bytes | None:
        return cast("bytes | None", self.connection.get(_key(origin)))

    def _remember(self, origin: str, answer: bytes, seconds: int) -> None:
        self.connection.set(_key(origin), answer, ex=seconds)

    def _fetch(self, origin: str, limits: RequestLimits) -> bytes:
        """What to remember of this host. 4xx means that there are no rules; 429, 5xx and a network that may come back
        mean that nobody knows. What fails for good (no such host, no HTTP) has no rules: the page will say as much."""
        try:
            answer = self.door.get(
                f"{origin}/robots.txt", {"Accept": "text/plain,*/*;q=0.5"}, limits
            )
        except OutboundError as error:
            return UNREACHABLE if error.retryable else RULES
        if answer.status >= 500 or answer.status == 429:
            return UNREACHABLE
        if not 200 <= answer.status < 300:
            return RULES
        body = answer.body[:MAX_BYTES]
        packed = zlib.compress(body)
        return RULES + (
            packed
            if len(packed) <= MAX_PACKED
            else zlib.compress(body[: MAX_PACKED // 2])
        )


def _rules(answer: bytes) -> Protego:
    packed = answer.removeprefix(RULES)
    return Protego.parse(
        zlib.decompress(packed).decode("utf-8-sig", "replace") if packed else ""
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}"


def _key(origin: str) -> str:
    return f"{HOST}{origin}:robots"
