"""Connections to the store that holds log and queue, and the one family of its outages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

import redis
from redis import exceptions
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.retry import Retry

SOCKET_TIMEOUT_S = 30.0  # longer than any blocking read, so that only a dead peer ends
REQUEST_TIMEOUT_S = 8.0  # of commands for web requests; blocking reads take 5 s
PROBE_TIMEOUT_S = 0.7  # health checks answer within a second


class StoreOutage(StrEnum):
    """Why the store cannot do its work at the moment."""

    UNREACHABLE = "unreachable"
    HANGS = "hangs"
    LOADING = "loading"
    READ_ONLY = "read_only"
    NO_REPLICAS = "no_replicas"
    NO_PERMISSION = "no_permission"
    FULL = "full"
    CANNOT_PERSIST = "cannot_persist"
    NO_MASTER = "no_master"


MESSAGES = {
    StoreOutage.UNREACHABLE: "The store is unreachable.",
    StoreOutage.HANGS: "The store does not answer in time.",
    StoreOutage.LOADING: "The store is loading its data.",
    StoreOutage.READ_ONLY: "The store is read-only: it may be failing over.",
    StoreOutage.NO_REPLICAS: "The store has too few replicas to accept writes.",
    StoreOutage.NO_PERMISSION: "The store denies access: check its users and password.",
    StoreOutage.FULL: "The store is full: raise its memory limit.",
    StoreOutage.CANNOT_PERSIST: "The store cannot write to its disk.",
    StoreOutage.NO_MASTER: "The store has no master at the moment.",
}
# error classes, most specific first; BusyLoadingError and AuthenticationError are
# ConnectionErrors
_BY_CLASS: tuple[tuple[type[Exception], StoreOutage], ...] = (
    (exceptions.BusyLoadingError, StoreOutage.LOADING),
    (exceptions.AuthenticationError, StoreOutage.NO_PERMISSION),
    (exceptions.AuthorizationError, StoreOutage.NO_PERMISSION),
    (exceptions.ConnectionError, StoreOutage.UNREACHABLE),
    (exceptions.TimeoutError, StoreOutage.HANGS),
    (exceptions.NoPermissionError, StoreOutage.NO_PERMISSION),
    (exceptions.ReadOnlyError, StoreOutage.READ_ONLY),
    (exceptions.OutOfMemoryError, StoreOutage.FULL),
    (exceptions.MasterDownError, StoreOutage.NO_MASTER),
    (exceptions.ClusterDownError, StoreOutage.NO_MASTER),
)
# first word of a reply: redis-py has no class for some, and passes others on as text
_BY_CODE = {
    "LOADING": StoreOutage.LOADING,
    "BUSY": StoreOutage.HANGS,  # with a script
    "DENIED": StoreOutage.NO_PERMISSION,  # protected mode
    "READONLY": StoreOutage.READ_ONLY,
    "UNBLOCKED": StoreOutage.READ_ONLY,  # a blocking read during a failover
    "NOREPLICAS": StoreOutage.NO_REPLICAS,
    "NOPERM": StoreOutage.NO_PERMISSION,
    "NOAUTH": StoreOutage.NO_PERMISSION,
    "WRONGPASS": StoreOutage.NO_PERMISSION,
    "OOM": StoreOutage.FULL,
    "MISCONF": StoreOutage.CANNOT_PERSIST,
    "MASTERDOWN": StoreOutage.NO_MASTER,
    "CLUSTERDOWN": StoreOutage.NO_MASTER,
}


class StoreUnavailable(Exception):
    """The store cannot do its work at the moment; nothing was accepted. Try again."""

    def __init__(self, reason: StoreOutage) -> None:
        super().__init__(MESSAGES[reason])
        self.reason = reason


def outage_of(error: BaseException) -> StoreOutage | None:
    """Return why the store is unavailable, or None if the error says something else."""
    if isinstance(error, StoreUnavailable):
        return error.reason
    for kind, reason in _BY_CLASS:
        if isinstance(error, kind):
            return reason
    if isinstance(error, exceptions.RedisError):
        return _BY_CODE.get(_reply(error).partition(" ")[0])
    return None


def _reply(error: exceptions.RedisError) -> str:
    """Return the reply itself, without what redis-py and MULTI put before it."""
    reply = str(error).rpartition("caused error: ")[2]
    return reply.rpartition("discarded because of: ")[2]


@contextmanager
def outages() -> Iterator[None]:
    """Raise an outage of the store as StoreUnavailable, and every other error unchanged."""
    try:
        yield
    except exceptions.RedisError as error:
        reason = outage_of(error)
        if reason is None:
            raise
        raise StoreUnavailable(reason) from error


def connect(url: str, *, timeout_s: float = SOCKET_TIMEOUT_S) -> redis.Redis:
    """Return a connection pool for log and queue: replies stay bytes, as RQ needs."""
    return redis.Redis.from_url(url, socket_timeout=timeout_s, health_check_interval=30)


def request_options(timeout_s: float = REQUEST_TIMEOUT_S) -> dict[str, Any]:
    """Return the connection options of web processes.

    A lost connection is tried again, a store that hangs is not: its client would wait
    for each attempt.
    """
    backoff = ExponentialWithJitterBackoff(base=0.1, cap=2.0)
    retry = Retry(backoff, 3, supported_errors=(exceptions.ConnectionError,))
    return {
        "socket_timeout": timeout_s,
        "retry": retry,
        "health_check_interval": 30,
    }


def probe(connection: redis.Redis) -> redis.Redis:
    """Return a connection to the same store that gives up within PROBE_TIMEOUT_S."""
    kwargs: dict[str, Any] = dict(connection.connection_pool.connection_kwargs)
    kwargs.update(
        socket_timeout=PROBE_TIMEOUT_S,
        socket_connect_timeout=PROBE_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )
    pool = redis.ConnectionPool(
        connection_class=connection.connection_pool.connection_class, **kwargs
    )
    return redis.Redis.from_pool(pool)


def connect_when_ready(url: str, patience_s: float = 60.0) -> redis.Redis:
    """Connect to a store that may still be starting. Raises StoreUnavailable after `patience_s`."""
    connection = connect(url)
    deadline = time.monotonic() + patience_s
    while True:
        try:
            with outages():
                connection.ping()
            return connection
        except StoreUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
