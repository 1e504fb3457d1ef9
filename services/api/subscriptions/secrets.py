"""Webhook secrets encrypted at rest, and the tokens of links as digests."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from incidentwire import private_files

SECRET_BYTES = 32  # Standard Webhooks asks for 24 to 64
KEY_FILE = "secrets.key"


class SecretsUnreadable(Exception):
    """The stored secrets were encrypted with another key."""


class SecretBox:
    """Encrypts with INCIDENTWIRE_SECRETS_KEY, or with a key made once in the data folder."""

    def __init__(self, key: str, folder: Path) -> None:
        self._fernet = Fernet(_fernet_key(key) if key else _own_key(folder))

    def seal(self, secret: str) -> bytes:
        return self._fernet.encrypt(secret.encode())

    def open(self, sealed: bytes) -> str:
        """Decrypt a sealed secret. Raises SecretsUnreadable."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise SecretsUnreadable(
                "The webhook secrets were encrypted with another key."
                " Set INCIDENTWIRE_SECRETS_KEY to the former one, or rotate each secret."
            ) from None

    def open_all(self, sealed: Sequence[bytes]) -> list[str]:
        """Decrypt what this key sealed, in order. Raises SecretsUnreadable if it is none.

        After the key was replaced and a secret rotated, the former one stays unreadable.
        """
        found = []
        for value in sealed:
            with suppress(SecretsUnreadable):
                found.append(self.open(value))
        if sealed and not found:
            self.open(sealed[0])
        return found


def new_webhook_secret() -> str:
    """Return a Standard Webhooks secret."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def new_token() -> str:
    """Return a token for a link."""
    return secrets.token_urlsafe(24)


def token_digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _fernet_key(key: str) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest())


def _own_key(folder: Path) -> bytes:
    """Return the key of the data folder, made by whichever process comes first.

    An empty file was left by a process that died as it made one.
    """
    path = folder / KEY_FILE
    if path.exists() and path.stat().st_size:
        return path.read_bytes()  # each request asks: none may wait for another
    private_files.make_folder(folder)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not path.exists() or not path.stat().st_size:
            unfinished = path.with_suffix(".part")
            key = Fernet.generate_key()
            private_files.write_whole(path, unfinished, lambda file: file.write(key))
        return path.read_bytes()
    finally:
        os.close(descriptor)
