"""The secret that keys fingerprints, so that who reads the log cannot test which words a page held."""

from __future__ import annotations

import secrets
from typing import cast

import redis

from incidentwire.settings import Settings

STORED = "iw:secret"


def fingerprint_key(settings: Settings, connection: redis.Redis) -> bytes:
    """Return the key of the settings, else one that is made once and stored.

    Fingerprints of different keys cannot be compared: the key must never change.
    """
    if settings.fingerprint_key:
        return settings.fingerprint_key.encode()
    connection.setnx(STORED, secrets.token_hex(16))
    return cast("bytes", connection.get(STORED))
