"""Authorization of requests: API keys, sessions of people, scopes of views."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from typing import ParamSpec, Protocol, TypeVar

from flask import Flask, current_app, g, request

from incidentwire.web.keys import Key, Keys
from incidentwire.web.problems import Problem

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="incidentwire"'}
SEND_A_KEY = "Send an API key: Authorization: Bearer iwk_…"

P = ParamSpec("P")
R = TypeVar("R")


class Sessions(Protocol):
    """Another way to identify a client: the sessions of people who signed in.

    An app that has some puts them into `app.extensions["incidentwire.sessions"]`.
    Their digests contain a colon, so that they never clash with those of keys.
    """

    def identify(self) -> Key | None:
        """Return the key that the current request's session stands for, or None."""

    def revoked(self, digests: Collection[str]) -> set[str]:
        """Return those of the session digests that are no longer valid."""


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
        raise _unauthorized("key-missing", SEND_A_KEY)
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
    if kind.lower() != "bearer":
        raise _unauthorized("key-missing", SEND_A_KEY)
    keys: Keys = current_app.extensions["incidentwire.keys"]
    key = keys.find(secret.strip())
    if key is None:
        raise _unauthorized(
            "key-unknown",
            "The API key is unknown or revoked. Make one: incidentwire keys create NAME.",
        )
    return key


def _key_of_session() -> Key | None:
    sessions: Sessions | None = current_app.extensions.get("incidentwire.sessions")
    return sessions.identify() if sessions else None


def _unauthorized(slug: str, detail: str) -> Problem:
    return Problem(status=401, slug=slug, detail=detail, headers=CHALLENGE)
