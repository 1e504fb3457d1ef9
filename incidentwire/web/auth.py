"""API keys: 256 random bits, shown once, kept as SHA-256, with scopes. A slow derivation would protect nothing:
there is no dictionary of 256 random bits."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

import redis
from flask import current_app, g, request

from incidentwire.web.problems import Problem

KEYS = "iw:keys"
PREFIX = "iwk_"
SCOPES = ("submit", "read", "curate", "admin")
REMEMBER_S = 5.0  # a revoked key is refused everywhere within this time

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Key:
    """What is known of a key; the key itself is not. `admin` includes all other scopes."""

    name: str
    scopes: tuple[str, ...]
    created: str
    digest: str

    def allows(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes


class Keys:
    """The keys in the store, each process remembering what it looked up for REMEMBER_S."""

    def __init__(
        self, connection: redis.Redis, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.connection, self.clock = connection, clock
        self._seen: dict[str, tuple[float, Key | None]] = {}

    def create(self, name: str, scopes: Iterable[str]) -> str:
        """Make a key and return it: the only time that it can be seen. Raises ValueError for a name that is taken or
        a scope that does not exist."""
        wanted = tuple(scopes)
        unknown = [s for s in wanted if s not in SCOPES]
        if unknown or not wanted:
            raise ValueError(
                f"unknown scope {', '.join(unknown) or '(none)'}: use some of {', '.join(SCOPES)}"
            )
        if any(key.name == name for key in self.list()):
            raise ValueError(
                f"there is a key named {name!r} already: choose another name, or revoke it first"
            )
        secret = PREFIX + secrets.token_urlsafe(32)
        about = {
            "name": name,
            "scopes": wanted,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self.connection.hset(KEYS, _digest(secret), json.dumps(about))
        return secret

    def list(self) -> list[Key]:
        rows = cast("dict[bytes, bytes]", self.connection.hgetall(KEYS))
        return sorted(
            (_key(d.decode(), text) for d, text in rows.items()),
            key=lambda key: key.name,
        )

    def revoke(self, name: str) -> bool:
        """Forget the key of that name; False where there is none."""
        digests = [key.digest for key in self.list() if key.name == name]
        return bool(digests and self.connection.hdel(KEYS, *digests))

    def find(self, secret: str) -> Key | None:
        """The key of a secret, or None."""
        digest = _digest(secret)
        found_at, key = self._seen.get(digest, (float("-inf"), None))
        if self.clock() - found_at > REMEMBER_S:
            text = cast("bytes | None", self.connection.hget(KEYS, digest))
            key = _key(digest, text) if text else None
            if len(self._seen) > 10_000:  # guesses must not fill the memory
                self._seen.clear()
            self._seen[digest] = (self.clock(), key)
        return key if key and hmac.compare_digest(key.digest, digest) else None


def require(*scopes: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view answer only to a key with one of these scopes; `g.who` names it. With public_read `read` needs none.

    The app carries its Keys in `app.extensions["incidentwire.keys"]` and `PUBLIC_READ` in its config.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            _let_in(scopes)
            return view(*args, **kwargs)

        guarded._scope = scopes  # type: ignore[attr-defined]  # a test finds views without one
        return guarded

    return decorate


def _let_in(scopes: tuple[str, ...]) -> None:
    header = request.headers.get("Authorization", "")
    kind, _, secret = header.partition(" ")
    if not header:
        if "read" in scopes and current_app.config["PUBLIC_READ"]:
            g.who = "anyone"
            return
        raise Problem(
            status=401,
            slug="key-missing",
            detail="send an API key: Authorization: Bearer iwk_…",
        )
    keys: Keys = current_app.extensions["incidentwire.keys"]
    key = keys.find(secret.strip()) if kind.lower() == "bearer" else None
    if key is None:
        raise Problem(
            status=401, slug="key-unknown", detail="the API key is unknown or revoked"
        )
    if not any(key.allows(scope) for scope in scopes):
        wanted = " or ".join(map(repr, scopes))
        raise Problem(
            status=403,
            slug="scope-missing",
            detail=f"this needs a key with the scope {wanted}",
        )
    g.who = key.name


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
