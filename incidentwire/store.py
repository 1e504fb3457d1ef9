"""How processes connect to the store that holds log and queue."""

from __future__ import annotations

import time

import redis

SOCKET_TIMEOUT_S = 30.0  # longer than any blocking read, so that a dead peer is noticed and a quiet one is not


def connect(url: str) -> redis.Redis:
    """A connection pool to the store, for log and queue alike: responses stay bytes, as RQ needs them."""
    return redis.Redis.from_url(
        url, socket_timeout=SOCKET_TIMEOUT_S, health_check_interval=30
    )


def connect_when_ready(url: str, patience_s: float = 60.0) -> redis.Redis:
    """A connection to a store that may still be starting. Raises redis.ConnectionError after `patience_s`."""
    connection = connect(url)
    deadline = time.monotonic() + patience_s
    while True:
        try:
            connection.ping()
            return connection
        except (
            redis.exceptions.ConnectionError,
            redis.exceptions.TimeoutError,
        ):  # BusyLoading is a ConnectionError
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
