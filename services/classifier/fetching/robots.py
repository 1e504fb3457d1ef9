"""robots.txt (RFC 9309): honoured for pages of feeds, recorded for submitted pages.

The answer of a host is stored in Redis for all processes, under
`iw:host:<scheme>://<host>:robots`. Protego does the matching: unlike the standard
library's parser it knows wildcards and lets the longest rule win. Rules are strangers'
bytes (500 kB of them cost Protego 2 s), so they are read in a sandbox.
"""

from __future__ import annotations

import functools
import json
import zlib
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import redis
from protego import Protego

from incidentwire.net.client import HttpClient, OutboundError, RequestLimits
from incidentwire.net.rate_limit import HOST
from incidentwire.sandbox import (
    LimitExceeded,
    Sandbox,
    SandboxDied,
    SandboxError,
    SandboxLimits,
)
from services.classifier.fetching.result import FetchFailure

AGENT = "Incidentwire"  # our product token in a robots.txt
KEEP_S = 86_400  # RFC 9309, 2.4: not longer than a day
UNREACHABLE_S = 300  # before a host whose robots.txt fails is asked for it again
MAX_BYTES = 500 * 1024  # RFC 9309, 2.5: at least so much has to be read
MAX_SENT = 2_000_000  # bytes; a larger answer is not a robots.txt
MAX_PACKED = 65_536  # bytes in the store; rules are alike, so 500 kB need less
MAX_DELAY_S = 10.0  # longest Crawl-delay that is honoured
FEED_LIMITS = RequestLimits(connect_s=5.0, read_s=5.0, total_s=10.0, max_bytes=MAX_SENT)
# For submitted pages, which are fetched whatever robots.txt says.
RECORD_LIMITS = RequestLimits(
    connect_s=1.0, read_s=1.0, total_s=1.5, max_bytes=MAX_SENT
)
RULES_LIMITS = SandboxLimits(cpu_s=5, wall_s=15.0, memory_bytes=1_000_000_000)
PARSED_RULES = 16  # hosts whose parsed rules the sandbox keeps

UNREACHABLE = b"!"  # the server fails: everything is disallowed for now
ASKED = b"?"  # somebody asks for it, and has no answer yet
RULES = b"="  # followed by the packed rules; nothing follows if there is no file


@dataclass(frozen=True, kw_only=True)
class RobotsVerdict:
    """Whether a page may be fetched. `failure` says why not; `delay_s` is the pause
    that the host asks for."""

    failure: FetchFailure | None = None
    delay_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PageRule:
    """What the rules of a host say about one page."""

    allowed: bool
    delay_s: float


class RulesTooComplex(Exception):
    """The rules of a host cannot be read within the limits."""


class RobotsRules:
    """Reads rules in a sandbox. Make it before the process starts threads."""

    def __init__(self) -> None:
        self._sandbox = Sandbox({"check": _check}, RULES_LIMITS)
        self._sandbox.start()

    def check(self, packed: bytes, url: str) -> PageRule:
        """Return what the packed rules say about `url`. Raises RulesTooComplex."""
        if not packed:
            return PageRule(allowed=True, delay_s=0.0)
        question = json.dumps(url).encode() + b"\n" + packed
        try:
            answer = self._sandbox.call("check", question)
        except (LimitExceeded, SandboxDied, SandboxError) as error:
            raise RulesTooComplex(str(error)) from error
        allowed, delay_s = json.loads(answer)
        return PageRule(allowed=allowed, delay_s=delay_s)

    def close(self) -> None:
        """End the sandbox."""
        self._sandbox.close()


class Robots:
    """What hosts allow, by their robots.txt."""

    def __init__(
        self, connection: redis.Redis, client: HttpClient, rules: RobotsRules
    ) -> None:
        self.connection = connection
        self.client = client
        self.rules = rules

    def verdict(self, url: str) -> RobotsVerdict:
        """Judge a page of a feed; robots.txt is fetched if it is not known."""
        origin = _origin(url)
        stored = self._stored(origin)
        if stored in (None, ASKED):
            stored = self._fetch(origin, FEED_LIMITS)
            seconds = UNREACHABLE_S if stored == UNREACHABLE else KEEP_S
            self._store(origin, stored, seconds)
        rule = self._rule(origin, stored or UNREACHABLE, url)
        if rule is None:
            return _refused(
                "robots_unreachable",
                "the host does not say what may be fetched: its robots.txt fails",
                retryable=True,
            )
        if not rule.allowed:
            return _refused("robots_disallowed", "the host's robots.txt disallows it")
        return RobotsVerdict(delay_s=min(rule.delay_s, MAX_DELAY_S))

    def allowed(self, url: str) -> bool | None:
        """Return what robots.txt says about a submitted page, None if that is not known.

        Each host is asked once a day at most, and for a moment only.
        """
        origin = _origin(url)
        stored = self._stored(origin)
        if stored is None:
            if not self.connection.set(_key(origin), ASKED, nx=True, ex=KEEP_S):
                return None
            stored = self._fetch(origin, RECORD_LIMITS)
            if stored != UNREACHABLE:
                self._store(origin, stored, KEEP_S)
        rule = self._rule(origin, stored, url)
        return rule.allowed if rule else None

    def _rule(self, origin: str, stored: bytes, url: str) -> PageRule | None:
        if not stored.startswith(RULES):
            return None
        try:
            return self.rules.check(stored.removeprefix(RULES), url)
        except RulesTooComplex:
            self._store(origin, UNREACHABLE, KEEP_S)
            return None

    def _stored(self, origin: str) -> bytes | None:
        return cast("bytes | None", self.connection.get(_key(origin)))

    def _store(self, origin: str, answer: bytes, seconds: int) -> None:
        self.connection.set(_key(origin), answer, ex=seconds)

    def _fetch(self, origin: str, limits: RequestLimits) -> bytes:
        """Return what to store for this host.

        4xx means that there are no rules; 429, 5xx and a network that may come back
        mean that nobody knows. A permanent failure (no such host, no HTTP) counts as no
        rules: the page itself will fail in the same way.
        """
        try:
            response = self.client.get(
                f"{origin}/robots.txt", {"Accept": "text/plain,*/*;q=0.5"}, limits
            )
        except OutboundError as error:
            return UNREACHABLE if error.retryable else RULES
        if response.status >= 500 or response.status == 429:
            return UNREACHABLE
        if not 200 <= response.status < 300:
            return RULES
        return RULES + _packed(response.body[:MAX_BYTES])


def _check(question: bytes) -> bytes:
    """Return [allowed, crawl delay in seconds] as JSON. Runs in the sandbox."""
    url, _, packed = question.partition(b"\n")
    rules = _parsed(packed)
    page = json.loads(url)
    return json.dumps(
        [rules.can_fetch(page, AGENT), rules.crawl_delay(AGENT) or 0.0]
    ).encode()


@functools.lru_cache(maxsize=PARSED_RULES)
def _parsed(packed: bytes) -> Protego:
    return Protego.parse(zlib.decompress(packed).decode("utf-8-sig", "replace"))


def _packed(body: bytes) -> bytes:
    packed = zlib.compress(body)
    if len(packed) <= MAX_PACKED:
        return packed
    return zlib.compress(body[: MAX_PACKED // 2])


def _refused(reason: str, detail: str, *, retryable: bool = False) -> RobotsVerdict:
    return RobotsVerdict(
        failure=FetchFailure(reason=reason, detail=detail, retryable=retryable)
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}"


def _key(origin: str) -> str:
    return f"{HOST}{origin}:robots"
