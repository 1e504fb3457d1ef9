"""Sessions of people who signed in: kept in the store, named by an id cookie.

The cookie holds 256 random bits; the store knows only their SHA-256. A session ends with
the key or the user that it began with, after IDLE_S without a request, or at sign-out.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import cast

import redis
from flask import g, request

from incidentwire.web.keys import Key, Keys
from incidentwire.web.problems import Problem
from incidentwire.web.users import Users

SESSIONS = "iw:session:"
ATTEMPTS = "iw:attempts:"
COOKIE = "iw_session"
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf"
IDLE_S = 12 * 3600
RENEWED_AFTER_S = 600  # the store syncs each write: a page of a session writes nothing
MAX_AGE_S = 7 * 24 * 3600
ATTEMPTS_WINDOW_S = 900
MAX_ATTEMPTS = 10  # failed, per name or address, within the window
PREFIX = "session:"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, kw_only=True)
class Session:
    """A person who signed in.

    `issuer` is "key:<digest>" or "user:<name>:<serial>"; `csrf` must come with every
    change; `since` is the Unix time of the sign-in.
    """

    name: str
    scopes: tuple[str, ...]
    issuer: str
    csrf: str
    since: float

    def allows(self, scope: str) -> bool:
        """Return whether the session has the scope."""
        return scope in self.scopes or "admin" in self.scopes


class TooManyAttempts(Exception):
    """Too many failed attempts to sign in."""

    def __init__(self) -> None:
        minutes = ATTEMPTS_WINDOW_S // 60
        super().__init__(
            f"Too many failed attempts. Wait {minutes} minutes, then try again."
        )


class SessionStore:
    """The sessions in the store. An app puts one into
    `app.extensions["incidentwire.sessions"]`."""

    def __init__(self, connection: redis.Redis) -> None:
        self.connection = connection
        self.keys = Keys(connection)
        self.users = Users(connection)

    def start(self, name: str, scopes: Collection[str], issuer: str) -> str:
        """Start a session and return the value of its cookie."""
        secret = secrets.token_urlsafe(32)
        session = Session(
            name=name,
            scopes=tuple(scopes),
            issuer=issuer,
            csrf=secrets.token_urlsafe(32),
            since=time.time(),
        )
        key = SESSIONS + _digest(secret)
        self.connection.set(key, json.dumps(asdict(session)), ex=IDLE_S)
        return secret

    def end(self, secret: str) -> None:
        """End a session."""
        self.connection.delete(SESSIONS + _digest(secret))

    def find(self, secret: str) -> Session | None:
        """Return the session of a cookie and postpone its expiry, or None.

        The expiry is written at most every RENEWED_AFTER_S.
        """
        key = SESSIONS + _digest(secret)
        with self.connection.pipeline(transaction=False) as pipe:
            pipe.get(key)
            pipe.ttl(key)
            text, left_s = cast("tuple[bytes | None, int]", tuple(pipe.execute()))
        if text is None:
            return None
        about = json.loads(text)
        session = Session(**{**about, "scopes": tuple(about["scopes"])})
        if time.time() - session.since > MAX_AGE_S or not self._is_valid(session):
            self.connection.delete(key)
            return None
        if left_s < IDLE_S - RENEWED_AFTER_S:
            self.connection.expire(key, IDLE_S)
        return session

    def current(self) -> Session | None:
        """Return the session of the current request, looked up once, or None."""
        if "session_found" not in g:
            secret = request.cookies.get(COOKIE, "")
            is_possible = 20 <= len(secret) <= 100
            g.session_found = self.find(secret) if is_possible else None
        return cast("Session | None", g.session_found)

    # -- the protocol incidentwire.web.auth.Sessions

    def identify(self) -> Key | None:
        """Return the key that the current request's session stands for, or None.

        Raises Problem 403 for a change without the session's CSRF token.
        """
        session = self.current()
        if session is None:
            return None
        if request.method not in SAFE_METHODS:
            check_csrf(session.csrf)
        created = datetime.fromtimestamp(session.since, UTC)
        return Key(
            name=session.name,
            scopes=session.scopes,
            created=created.isoformat(timespec="seconds"),
            digest=PREFIX + _digest(request.cookies[COOKIE]),
        )

    def revoked(self, digests: Collection[str]) -> set[str]:
        """Return those of the session digests that are no longer valid."""
        ended = set()
        for digest in digests:
            if not digest.startswith(PREFIX):
                continue
            key = SESSIONS + digest.removeprefix(PREFIX)
            text = cast("bytes | None", self.connection.get(key))
            if text is None or not self._issuer_is_valid(json.loads(text)["issuer"]):
                ended.add(digest)
        return ended

    # -- attempts

    def check_attempts(self, *names: str) -> None:
        """Raise TooManyAttempts if one of the names failed too often lately."""
        counts = self.connection.mget([ATTEMPTS + _digest(name) for name in names])
        if any(
            int(count or 0) >= MAX_ATTEMPTS for count in cast("list[bytes]", counts)
        ):
            raise TooManyAttempts

    def count_failure(self, *names: str) -> None:
        """Count a failed attempt for each name."""
        with self.connection.pipeline(transaction=True) as pipe:
            for name in names:
                pipe.incr(ATTEMPTS + _digest(name))
                pipe.expire(ATTEMPTS + _digest(name), ATTEMPTS_WINDOW_S)
            pipe.execute()

    def _is_valid(self, session: Session) -> bool:
        return self._issuer_is_valid(session.issuer)

    def _issuer_is_valid(self, issuer: str) -> bool:
        kind, _, rest = issuer.partition(":")
        if kind == "key":
            return not self.keys.revoked([rest])
        name, _, serial = rest.rpartition(":")
        user = self.users.find(name)
        return user is not None and user.serial == serial


def check_csrf(wanted: str) -> None:
    """Raise Problem 403 unless the request has the token in its header or form."""
    given = request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD, "")
    if not hmac.compare_digest(given.encode(), wanted.encode()):
        raise Problem(
            status=403,
            slug="csrf",
            detail="The form is out of date. Load the page again and repeat the change.",
        )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
