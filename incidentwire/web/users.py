"""People who sign in with a name and a password: stored with scrypt, with one role."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import redis

USERS = "iw:users"
MIN_PASSWORD = 10  # characters
MAX_PASSWORD = 1_000  # characters; scrypt reads all of them
MAX_NAME = 64  # characters
# role -> scopes (incidentwire.web.keys.SCOPES)
ROLES: Mapping[str, tuple[str, ...]] = {
    "reader": ("read",),
    "submitter": ("read", "submit"),
    "curator": ("read", "submit", "curate"),
    "admin": ("read", "submit", "curate", "admin"),
}


@dataclass(frozen=True, kw_only=True)
class User:
    """A person. `serial` changes with the password or role, which ends all sessions."""

    name: str
    role: str
    created: str
    serial: str

    @property
    def scopes(self) -> tuple[str, ...]:
        """Return the scopes of the role."""
        return ROLES[self.role]


class Users:
    """The people in the store."""

    def __init__(self, connection: redis.Redis) -> None:
        self.connection = connection

    def add(self, name: str, password: str, role: str) -> User:
        """Add a person, or give an existing one a new password and role.

        Raises ValueError for an unusable name, a short password or an unknown role.
        """
        name = name.strip()
        if not name or len(name) > MAX_NAME or not name.isprintable():
            raise ValueError(f"Use a name of 1 to {MAX_NAME} printable characters.")
        if role not in ROLES:
            raise ValueError(f"Unknown role {role!r}. Use one of {', '.join(ROLES)}.")
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise ValueError(
                f"Use a password of {MIN_PASSWORD} to {MAX_PASSWORD} characters."
            )
        about = {
            "role": role,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "serial": secrets.token_hex(8),
            "password": _hash(password),
        }
        self.connection.hset(USERS, name, json.dumps(about))
        return _user(name, about)

    def remove(self, name: str) -> bool:
        """Delete a person and so end their sessions; return False if there is none."""
        return bool(self.connection.hdel(USERS, name))

    def list(self) -> list[User]:
        """Return all people by name."""
        rows = cast("dict[bytes, bytes]", self.connection.hgetall(USERS))
        found = [_user(name.decode(), json.loads(text)) for name, text in rows.items()]
        return sorted(found, key=lambda user: user.name)

    def find(self, name: str) -> User | None:
        """Return the person of that name, or None."""
        text = cast("bytes | None", self.connection.hget(USERS, name))
        return _user(name, json.loads(text)) if text else None

    def stored_hash(self, name: str) -> str:
        """Return the password hash of that name; for nobody, one that never matches.

        So an unknown name takes as long as a wrong password.
        """
        text = cast("bytes | None", self.connection.hget(USERS, name))
        return str(json.loads(text)["password"]) if text else _NOBODY


def is_password(stored: str, password: str) -> bool:
    """Return whether the password has this hash. Takes tens of milliseconds."""
    from werkzeug.security import check_password_hash  # slow to import: only if needed

    return check_password_hash(stored, password[:MAX_PASSWORD])


def _hash(password: str) -> str:
    from werkzeug.security import generate_password_hash

    return generate_password_hash(password, "scrypt")


# The hash of a password that nobody knows.
_NOBODY = "scrypt:32768:8:1$" + "0" * 16 + "$" + "0" * 128


def _user(name: str, about: Mapping[str, str]) -> User:
    return User(
        name=name,
        role=about["role"],
        created=about["created"],
        serial=about["serial"],
    )
