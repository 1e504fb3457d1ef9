"""Dial for the HTTP client: look a name up once, check every address, connect to one.

`requests` and urllib3 keep the pool and speak HTTP; the socket under them is ours. So no
unchecked address is ever dialled: no second DNS answer is asked for, and the pool cannot
be led to another host.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
import time
from typing import Any, cast

import requests.adapters
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from incidentwire.net.hosts import is_address
from incidentwire.net.request import (
    CURRENT_CALL,
    DeadlineSocket,
    OutboundError,
    RequestContext,
    retry_until_ready,
)
from incidentwire.net.ssrf import refusal_of_address

MAX_ADDRESSES_TRIED = 4  # of one name; a hostile zone can name hundreds


class _PlainConnection(HTTPConnection):
    def connect(self) -> None:
        self.sock = cast(
            socket.socket, DeadlineSocket(_connected(self.host, self.port))
        )


class _TlsConnection(HTTPSConnection):
    def connect(self) -> None:
        raw = _connected(self.host, self.port)
        self.sock = cast(socket.socket, DeadlineSocket(_with_tls(raw, self.host)))
        self.is_verified = True  # by the handshake: the context demands it


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class Adapter(requests.adapters.HTTPAdapter):
    """The pool of a client: every connection in it was dialled by this module."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _PlainPool,
            "https": _TlsPool,
        }


def _connected(host: str, port: int) -> socket.socket:
    """Return a non-blocking socket to the first address of the request's host that
    answers. Raises OutboundError."""
    call = CURRENT_CALL.get()
    if (host, port) != (call.host, call.port):
        raise OutboundError(
            "refused_address", f"{host}:{port} was not checked before dialling"
        )
    until = time.monotonic() + call.seconds_left(call.limits.connect_s)
    addresses = _checked_addresses(call, until)[:MAX_ADDRESSES_TRIED]
    failure: OSError | None = None
    for place, address in enumerate(addresses):
        share = max(until - time.monotonic(), 0.05) / (len(addresses) - place)
        try:
            sock = _dialled(address, port, call.seconds_left(share))
        except OSError as error:
            failure = error
        else:
            call.dialled += 1
            return sock
    if isinstance(failure, TimeoutError):
        raise OutboundError(
            "timeout", f"no connection to {host} within {call.limits.connect_s:g} s"
        ) from failure
    raise OutboundError(
        "connect_failed", f"no connection to {host}: {failure}"
    ) from failure


def _dialled(address: str, port: int, timeout_s: float) -> socket.socket:
    sock = socket.socket(
        socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM
    )
    try:
        sock.settimeout(timeout_s)
        sock.connect((address, port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _checked_addresses(call: RequestContext, until: float) -> list[str]:
    """Return the addresses of the request's host, looked up once. Raises OutboundError
    if any of them is refused."""
    is_literal = ":" in call.host or is_address(call.host)
    addresses = [call.host] if is_literal else _looked_up(call, until)
    for address in addresses:
        why = None if call.private_ok else refusal_of_address(address)
        if why is not None:
            raise OutboundError(
                "refused_address",
                f"{call.host} is at {address}, which is not public: {why}",
            )
    return addresses


def _looked_up(call: RequestContext, until: float) -> list[str]:
    """Resolve in a thread of its own: getaddrinfo takes no timeout, and a hostile zone
    can stall it."""
    answers: queue.SimpleQueue[list[tuple[Any, ...]] | Exception] = queue.SimpleQueue()

    def look() -> None:
        try:
            answers.put(call.resolve(call.host, call.port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:  # UnicodeError: from Python's own IDNA
            answers.put(error)

    threading.Thread(target=look, name=f"look up {call.host}", daemon=True).start()
    try:
        found = answers.get(timeout=max(until - time.monotonic(), 0.05))
    except queue.Empty:
        found = TimeoutError(
            f"the name servers were silent for {call.limits.connect_s:g} s"
        )
    if isinstance(found, UnicodeError):  # its text may quote the name
        found = ValueError("the name is malformed")
    if isinstance(found, Exception) or not found:
        raise OutboundError(
            "dns_failed", f"no address for {call.host}: {found or 'none given'}"
        )
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _with_tls(raw: socket.socket, host: str) -> ssl.SSLSocket:
    """Shake hands and verify the certificate for `host`, within connect_s. Closes `raw`
    and raises OutboundError on failure."""
    call = CURRENT_CALL.get()
    until = time.monotonic() + call.limits.connect_s

    def seconds() -> float:
        left = until - time.monotonic()
        if left <= 0:
            raise OutboundError(
                "timeout",
                f"no TLS handshake with {host} within {call.limits.connect_s:g} s",
            )
        return call.seconds_left(left)

    with contextlib.ExitStack() as on_error:
        on_error.callback(raw.close)
        try:
            tls = call.tls.wrap_socket(
                raw, server_hostname=host, do_handshake_on_connect=False
            )
            on_error.callback(tls.close)
            retry_until_ready(tls, tls.do_handshake, seconds)
        except ssl.SSLCertVerificationError as error:
            why = f"the certificate of {host} is not valid: {error.verify_message}"
            raise OutboundError("tls_failed", why) from error
        except (OSError, ValueError) as error:
            raise OutboundError(
                "tls_failed", f"no TLS with {host}: {error}", retryable=True
            ) from error
        on_error.pop_all()
    return tls
