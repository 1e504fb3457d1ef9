"""API keys: 256 random bits, shown once, stored as SHA-256, with scopes.

A slow key derivation would protect nothing: there is no dictionary of 256 random bits.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, cast

import redis
from flask import Flask, current_app, g, request

from incidentwire.web.problems import Problem

KEYS = "iw:keys"
PREFIX = "iwk_"
SCOPES = ("submit", "read", "curate", "admin")
REMEMBER_S = 5.0  # a revoked key is refused everywhere within this time
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="incidentwire"'}

P = ParamSpec("P")
R = TypeVar("R")


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


class Sessions(Protocol):
    """Another way to identify a client: the sessions of people who signed in.

    An app that has some puts them into `app.extensions["incidentwire.sessions"]`.
    Their digests contain a colon, so that they never clash with those of keys.
    """

    def identify(self) -> Key | None:
        """Return the key that the current request's session stands for, or None."""

    def revoked(self, digests: Collection[str]) -> set[str]:
        """Return those of the session digests that are no longer valid."""


class Keys:
    """The keys in the store; each process remembers look-ups for REMEMBER_S."""

    def __init__(
        self, connection: redis.Redis, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.connection = connection
        self.clock = clock
        self._seen: dict[str, tuple[float, Key | None]] = {}

    def create(self, name: str, scopes: Iterable[str]) -> str:
        """Create a key and return its secret, which is never shown again.

        Raises ValueError for a name that is taken or an unknown scope.
        """
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
        return bool(digests and self.connection.hdel(KEYS, *digests))

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
        return key if key and hmac.compare_digest(key.digest, digest) else None


def require(*scopes: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view answer only to a key with one of these scopes.

    `g.who` is the key's name, `g.key_digest` its digest ("" without a key). With
    public_read, `read` needs no key. The app has its Keys in
    `app.extensions["incidentwire.keys"]` and `PUBLIC_READ` in its config.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            authorize(scopes)
            return view(*args, **kwargs)

        guarded._scope = scopes  # type: ignore[attr-defined]  # a test finds views without one
        return guarded

    return decorate


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a view that answers without a key, such as a link with a secret token."""
    view._scope = ()  # type: ignore[attr-defined]  # see require
    return view


def authorize(scopes: tuple[str, ...]) -> None:
    """Identify the client and set `g.who` and `g.key_digest`.

    Raises Problem 401 without a valid key, 403 if it has none of the scopes.
    """
    header = request.headers.get("Authorization", "")
    key = _key_of_header(header) if header else _key_of_session()
    if key is None:
        if "read" in scopes and current_app.config["PUBLIC_READ"]:
            g.who = "anyone"
            g.key_digest = ""
            return
        detail = "Send an API key: Authorization: Bearer iwk_…"
        raise _unauthorized("key-missing", detail)
    if not any(key.allows(scope) for scope in scopes):
        wanted = " or ".join(map(repr, scopes))
        raise Problem(
            status=403,
            slug="scope-missing",
            detail=f"Use a key with the scope {wanted}.",
        )
    g.who = key.name
    g.key_digest = key.digest
    g.key = key


def find_revoked(app: Flask) -> Callable[[Collection[str]], set[str]]:
    """Return a function from digests of keys and sessions to those now invalid."""

    def revoked(digests: Collection[str]) -> set[str]:
        keys: Keys = app.extensions["incidentwire.keys"]
        sessions: Sessions | None = app.extensions.get("incidentwire.sessions")
        ended = sessions.revoked(digests) if sessions else set()
        return keys.revoked(digests) | ended

    return revoked


def _key_of_header(header: str) -> Key:
    kind, _, secret = header.partition(" ")
    keys: Keys = current_app.extensions["incidentwire.keys"]
    key = keys.find(secret.strip()) if kind.lower() == "bearer" else None
    if key is None:
        raise _unauthorized("key-unknown", "The API key is unknown or revoked.")
    return key


def _key_of_session() -> Key | None:
    sessions: Sessions | None = current_app.extensions.get("incidentwire.sessions")
    return sessions.identify() if sessions else None


def _unauthorized(slug: str, detail: str) -> Problem:
    return Problem(status=401, slug=slug, detail=detail, headers=CHALLENGE)


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
