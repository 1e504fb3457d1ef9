"""How often one host may be asked, over all workers: so many requests at once, and a pause between two.

The state is in Redis, so that a thousand URLs of one host, spread over workers, wait for one another and for nobody
else. A worker that dies holds its place only until the slot expires.
"""

from __future__ import annotations

import secrets
from typing import cast

import redis

HOST = "iw:host:"
SLOT_S = 60  # a request that takes longer is dead: fetch_timeout_s is well below
FULL_WAIT_MS = 100  # how soon to ask again where all slots are taken

# KEYS[1] slots (zset token -> expiry in ms)  KEYS[2] earliest next start in ms
# ARGV: token, slots, pause in ms, slot life in ms. Returns 0 where the request may start, else the wait in ms.
ACQUIRE = f"""
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return {FULL_WAIT_MS} end
local next = tonumber(redis.call('GET', KEYS[2]) or '0')
if next > now then return next - now end
redis.call('ZADD', KEYS[1], now + ARGV[4], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
if tonumber(ARGV[3]) > 0 then redis.call('SET', KEYS[2], now + ARGV[3], 'PX', ARGV[3]) end
return 0
"""


class HostSlots:
    """The places at each host."""

    def __init__(self, connection: redis.Redis, *, at_once: int, pause_s: float) -> None:
        self.connection, self.at_once, self.pause_ms = connection, at_once, int(pause_s * 1000)

    def acquire(self, host: str) -> tuple[str, float]:
        """(token, 0) where a request to the host may start now, else ("", seconds to wait before asking again)."""
        token = secrets.token_hex(8)
        keys = (f"{HOST}{host}", f"{HOST}{host}:next")
        wait = cast("int", self.connection.eval(ACQUIRE, 2, *keys, token, self.at_once, self.pause_ms, SLOT_S * 1000))
        return ("", wait / 1000) if wait else (token, 0.0)

    def release(self, host: str, token: str) -> None:
        self.connection.zrem(f"{HOST}{host}", token)
