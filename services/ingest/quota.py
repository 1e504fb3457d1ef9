"""Quotas of API keys: token buckets in the store, shared by all web processes.

A bucket holds one minute's worth of requests or items, and refills steadily. A process
takes tokens in small lots, so that most requests cost no round trip.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import redis

from incidentwire.settings import Settings
from services.ingest.errors import QuotaExceeded

WINDOW_S = 60
LOTS = 200  # a full bucket is this many lots
MAX_KEYS = 10_000  # remembered in a process
REQUESTS = "requests"
ITEMS = "items"
PROMPT = "prompt"  # single submissions worked on before bulk ones

# KEYS[1] hash of tokens and the time (s) they were counted. ARGV: limit, window in s,
# needed, wanted. Returns tokens granted (0, or needed to wanted), tokens left, and the
# wait in ms until `needed` are there.
TAKE = """
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local needed, wanted = tonumber(ARGV[3]), tonumber(ARGV[4])
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local is = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, rate = tonumber(is[1] or limit), limit / window
tokens = math.min(limit, tokens + math.max(0, now - tonumber(is[2] or now)) * rate)
local granted = 0
if tokens >= needed then granted = math.min(wanted, math.floor(tokens)) end
redis.call('HSET', KEYS[1], 'tokens', tokens - granted, 'at', now)
redis.call('EXPIRE', KEYS[1], 2 * window)
return {granted, math.floor(tokens - granted), math.ceil(1000 * (needed - tokens) / rate)}
"""


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What is left of a quota after a request."""

    kind: str
    limit: int
    left: int

    @property
    def reset_s(self) -> int:
        """The seconds until the bucket is full again."""
        return ceil((self.limit - self.left) * WINDOW_S / self.limit)


@dataclass(kw_only=True)
class _Lot:
    """Tokens that this process holds, and what was left in the store then."""

    held: int
    left: int
    until: float


class Quota:
    """The quotas of all keys. One per process."""

    def __init__(
        self,
        settings: Settings,
        connection: redis.Redis,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = {
            REQUESTS: settings.requests_per_minute,
            ITEMS: settings.items_per_minute,
            PROMPT: settings.prompt_items_per_minute,
        }
        self.connection = connection
        self.clock = clock
        self._lots: dict[tuple[str, str], _Lot] = {}

    def take(self, who: str, kind: str, count: int = 1) -> Allowance | None:
        """Take `count` tokens of a key; None if there is no limit.

        A count above the limit takes the whole bucket. Raises QuotaExceeded.
        """
        limit = self.limits[kind]
        if not limit or not count:
            return None
        count = min(count, limit)
        lot = self._lots.get((who, kind))
        if lot is None or lot.held < count or lot.until < self.clock():
            lot = self._take_lot(who, kind, limit, count)
        lot.held -= count
        return Allowance(kind=kind, limit=limit, left=lot.left + lot.held)

    def is_prompt(self, who: str) -> bool:
        """Return whether a single submission of the key goes before bulk ones.

        A key with more of them than its share would keep the others waiting.
        """
        try:
            self.take(who, PROMPT)
        except QuotaExceeded:
            return False
        return True

    def _take_lot(self, who: str, kind: str, limit: int, count: int) -> _Lot:
        wanted = max(count, limit // LOTS)
        key = f"iw:quota:{kind}:{who}"
        answer: Any = self.connection.eval(TAKE, 1, key, limit, WINDOW_S, count, wanted)
        granted, left, wait_ms = answer
        if not granted:
            raise QuotaExceeded(kind, limit, ceil(wait_ms / 1000))
        if len(self._lots) > MAX_KEYS:
            self._lots.clear()
        now = self.clock()
        before = self._lots.get(
            (who, kind)
        )  # another request may have got one meanwhile
        if before is not None and before.until >= now:
            granted += before.held
        lot = _Lot(held=granted, left=left, until=now + WINDOW_S)
        self._lots[who, kind] = lot
        return lot
