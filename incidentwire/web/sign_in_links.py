"""Links that sign one person in, once, within minutes: for a terminal that opens a browser.

The link holds 256 random bits; the store knows their SHA-256 only, and deletes it in the
same command that reads it. A session that begins with a link ends with its issuer.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import cast

import redis

LINKS = "iw:session:link:"  # session digests are hexadecimal, so no key is both
PATH = "/sign-in/link"
VALID_S = 900  # seconds
MAX_TOKEN = 100  # characters


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """Who signs in. `issuer` is that of incidentwire.web.sessions.Session."""

    name: str
    scopes: tuple[str, ...]
    issuer: str


def create(
    connection: redis.Redis, name: str, scopes: Collection[str], issuer: str
) -> str:
    """Return the path and query of a new link."""
    token = secrets.token_urlsafe(32)
    about = asdict(SignIn(name=name, scopes=tuple(scopes), issuer=issuer))
    connection.set(_key(token), json.dumps(about), ex=VALID_S)
    return f"{PATH}?token={token}"


def use(connection: redis.Redis, token: str) -> SignIn | None:
    """Return who signs in with this token and end it; None if it is none any more."""
    if len(token) > MAX_TOKEN:
        return None
    text = cast("bytes | None", connection.getdel(_key(token)))
    if text is None:
        return None
    about = json.loads(text)
    return SignIn(**{**about, "scopes": tuple(about["scopes"])})


def _key(token: str) -> str:
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
    return LINKS + digest
