"""API keys: 256 random bits, shown once, stored as SHA-256, with scopes.

A slow key derivation would protect nothing: there is no dictionary of 256 random bits.
This module imports no web framework, so that a command starts fast.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import redis

KEYS = "iw:keys"
USED = "iw:keys:used"  # digest -> Unix time
MAX_NAME = 64  # characters
PREFIX = "iwk_"
SCOPES = ("submit", "read", "curate", "admin")
REMEMBER_S = 5.0  # a revoked key is refused everywhere within this time
NOTE_USE_S = 60.0  # between two writes of when a key was used, by each process


@dataclass(frozen=True, kw_only=True)
class Key:
    """What is stored of a key. `admin` includes all other scopes.

    `digest` identifies the key or session; the secret itself is not stored.
    """

    name: str
    scopes: tuple[str, ...]
    created: str
    digest: str

    def allows(self, scope: str) -> bool:
        """Return whether the key has the scope."""
        return scope in self.scopes or "admin" in self.scopes


class Keys:
    """The keys in the store; each process remembers look-ups for REMEMBER_S."""

    def __init__(
        self, connection: redis.Redis, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.connection = connection
        self.clock = clock
        self._seen: dict[str, tuple[float, Key | None]] = {}
        self._noted: dict[str, float] = {}

    def create(self, name: str, scopes: Iterable[str]) -> str:
        """Create a key and return its secret, which is never shown again.

        Raises ValueError for a name that is unusable or taken, or an unknown scope.
        """
        if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
            raise ValueError(f"Use a name of 1 to {MAX_NAME} printable characters.")
        wanted = tuple(scopes)
        unknown = [s for s in wanted if s not in SCOPES]
        if unknown or not wanted:
            raise ValueError(
                f"Unknown scope {', '.join(unknown) or '(none)'}. "
                f"Use some of {', '.join(SCOPES)}."
            )
        if any(key.name == name for key in self.list()):
            raise ValueError(
                f"A key named {name!r} exists. Choose another name, or revoke it first."
            )
        secret = PREFIX + secrets.token_urlsafe(32)
        about = {
            "name": name,
            "scopes": wanted,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self.connection.hset(KEYS, _digest(secret), json.dumps(about))
        return secret

    def revoked(self, digests: Collection[str]) -> set[str]:
        """Return those of the digests that no key has any more, without a cache."""
        asked = [digest for digest in digests if ":" not in digest]
        if not asked:
            return set()
        found = cast("list[bytes | None]", self.connection.hmget(KEYS, asked))
        return {digest for digest, text in zip(asked, found, strict=True) if not text}

    def list(self) -> list[Key]:
        """Return all keys by name."""
        rows = cast("dict[bytes, bytes]", self.connection.hgetall(KEYS))
        return sorted(
            (_key(d.decode(), text) for d, text in rows.items()),
            key=lambda key: key.name,
        )

    def revoke(self, name: str) -> bool:
        """Delete the key of that name; return False if there is none."""
        digests = [key.digest for key in self.list() if key.name == name]
        if not digests:
            return False
        self.connection.hdel(USED, *digests)
        return bool(self.connection.hdel(KEYS, *digests))

    def last_used(self) -> dict[str, str]:
        """Return by digest when each key was last used, to the minute (RFC 3339).

        Keys that were never used are left out.
        """
        rows = cast("dict[bytes, bytes]", self.connection.hgetall(USED))
        return {
            digest.decode(): datetime.fromtimestamp(int(at), UTC).isoformat(
                timespec="seconds"
            )
            for digest, at in rows.items()
        }

    def find(self, secret: str) -> Key | None:
        """Return the key of a secret, or None."""
        digest = _digest(secret)
        found_at, key = self._seen.get(digest, (float("-inf"), None))
        if self.clock() - found_at > REMEMBER_S:
            text = cast("bytes | None", self.connection.hget(KEYS, digest))
            key = _key(digest, text) if text else None
            if len(self._seen) > 10_000:  # guesses must not fill the memory
                self._seen.clear()
            self._seen[digest] = (self.clock(), key)
            if key:
                self._note_use(digest)
        return key if key and hmac.compare_digest(key.digest, digest) else None

    def _note_use(self, digest: str) -> None:
        """Write that a key is used; a store that refuses writes stops no request."""
        now = self.clock()
        if now - self._noted.get(digest, float("-inf")) < NOTE_USE_S:
            return
        self._noted[digest] = now
        with contextlib.suppress(redis.exceptions.RedisError):
            self.connection.hset(USED, digest, int(time.time()))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(digest: str, text: str | bytes) -> Key:
    about: dict[str, Any] = json.loads(text)
    return Key(
        name=about["name"],
        scopes=tuple(about["scopes"]),
        created=about["created"],
        digest=digest,
    )
