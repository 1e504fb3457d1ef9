"""Limit how often one host is asked, over all processes: so many requests at once, and a
pause between two.

The state is in Redis, so that fetches and feeds of one host wait for one another and
for nobody else. A process that dies holds its slot only until the slot expires.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from time import monotonic, sleep
from typing import cast
from urllib.parse import urlsplit

import redis

from incidentwire.net import urls
from incidentwire.settings import Settings

HOST = "iw:host:"
FULL_WAIT_MS = 100  # before asking again if all slots are taken

LONGEST_PAUSE_S = 60.0  # of any host; a later start was planned by a clock ahead
LONGEST_SLOT_MS = 3_600_000  # likewise, of any request

# KEYS[1] slots (zset token -> expiry in ms)  KEYS[2] earliest next start in ms
# ARGV: token, slots, pause in ms, slot life in ms, longest pause in ms. Returns 0 if the
# request may start, else the wait in ms. What lies further ahead than it can is of a clock
# that ran ahead, and counts no more.
ACQUIRE = f"""
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('(%.0f', now + math.max(ARGV[4], {LONGEST_SLOT_MS})), '+inf')
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return {FULL_WAIT_MS} end
local next = tonumber(redis.call('GET', KEYS[2]) or '0')
if next > now and next - now <= tonumber(ARGV[5]) then return next - now end
redis.call('ZADD', KEYS[1], now + ARGV[4], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
if tonumber(ARGV[3]) > 0 then redis.call('SET', KEYS[2], now + ARGV[3], 'PX', ARGV[3]) end
return 0
"""

# KEYS[1] earliest next start in ms  ARGV[1] pause in ms
BACK_OFF = """
local t = redis.call('TIME')
local until_ms = t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[1]
if tonumber(redis.call('GET', KEYS[1]) or '0') < until_ms then redis.call('SET', KEYS[1], until_ms, 'PX', ARGV[1]) end
"""

SLOT_MARGIN_S = 5.0


class HostBusy(Exception):
    """All slots of the host are taken, and none became free in time."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.detail = f"{host} is busy with other requests of ours"
        super().__init__(self.detail)


class HostRateLimiter:
    """The slots of each host."""

    @classmethod
    def of(cls, settings: Settings, connection: redis.Redis) -> HostRateLimiter:
        """Build it with the limits of the settings."""
        return cls(
            connection,
            at_once=settings.host_concurrency,
            pause_s=settings.host_pause_s,
            slot_s=settings.fetch_timeout_s + SLOT_MARGIN_S,
        )

    def __init__(
        self, connection: redis.Redis, *, at_once: int, pause_s: float, slot_s: float
    ) -> None:
        """`slot_s` is how long a request may hold its slot: somewhat more than a fetch
        may take."""
        self.connection = connection
        self.at_once = at_once
        self.pause_ms = int(pause_s * 1000)
        self.slot_ms = int(slot_s * 1000)

    def acquire(self, host: str) -> tuple[str, float]:
        """Return (token, 0) if a request to the host may start now, else ("", seconds to
        wait before asking again)."""
        token = secrets.token_hex(8)
        keys = (f"{HOST}{host}", f"{HOST}{host}:next")
        longest_ms = max(self.pause_ms, int(LONGEST_PAUSE_S * 1000))
        limits = (self.at_once, self.pause_ms, self.slot_ms, longest_ms)
        wait_ms = cast("int", self.connection.eval(ACQUIRE, 2, *keys, token, *limits))
        return ("", wait_ms / 1000) if wait_ms else (token, 0.0)

    @contextlib.contextmanager
    def slot(self, host: str, *, patience_s: float) -> Iterator[None]:
        """Hold a slot of the host for one request. Raises HostBusy if none became free
        within `patience_s`."""
        deadline = monotonic() + patience_s
        token, wait_s = self.acquire(host)
        while not token:
            if monotonic() + wait_s > deadline:
                raise HostBusy(host)
            sleep(wait_s)
            token, wait_s = self.acquire(host)
        try:
            yield
        finally:
            self.release(host, token)

    def release(self, host: str, token: str) -> None:
        """Give a slot back."""
        self.connection.zrem(f"{HOST}{host}", token)

    def back_off(self, host: str, seconds: float) -> None:
        """Start no request to the host for so long, LONGEST_PAUSE_S at most, if it asks
        for more than the usual pause."""
        pause_ms = int(min(seconds, LONGEST_PAUSE_S) * 1000)
        self.connection.eval(BACK_OFF, 1, f"{HOST}{host}:next", pause_ms)


def host_of(url: str) -> str:
    """Return the canonical host of a URL: lower case, ASCII, no trailing dot, no
    brackets. "" for something without a host."""
    try:
        return urls.split(url, max_chars=len(url) + 1).host.strip("[]")
    except urls.UrlError:
        return (urlsplit(url).hostname or "").lower().rstrip(".")
