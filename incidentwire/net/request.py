"""One request through the network door: what it may take, what it failed of, and a socket that keeps its deadline."""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from urllib3.util import wait_for_read, wait_for_write

Resolve = Callable[..., list[tuple[Any, ...]]]  # the shape of socket.getaddrinfo
T = TypeVar("T")

# Each reason that the door gives, and whether the same request may succeed later.
RETRYABLE = {
    "refused_url": False,
    "refused_address": False,
    "dns_failed": True,
    "connect_failed": True,
    "tls_failed": False,  # but True where the connection broke before any certificate was judged
    "timeout": True,
    "too_large": False,
    "too_many_redirects": False,
    "bad_response": True,
    "bad_encoding": False,
}


class OutboundError(Exception):
    """A request that got no answer: `reason` is a slug of RETRYABLE, `detail` a sentence for people.

    `retryable` says whether to try again later; `retry_after_s` (seconds) is set where somebody said when.
    """

    def __init__(
        self,
        reason: str,
        detail: str,
        *,
        retryable: bool | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.retryable = RETRYABLE[reason] if retryable is None else retryable
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """What one request may take.

    Seconds: for looking up and connecting, for the TLS handshake, for one silence, for all of it with its redirects.
    Bytes of the body: as sent, and again after decompression.
    """

    connect_s: float = 5.0
    read_s: float = 10.0
    total_s: float = 30.0
    max_bytes: int = 10_000_000
    max_redirects: int = 5


@dataclass(kw_only=True)
class RequestContext:
    """One request under way: the host it was allowed for, and the time that it has left."""

    limits: RequestLimits
    tls: ssl.SSLContext
    resolve: Resolve
    host: str = ""  # what the door checked (IPv6 without brackets); a connection to anything else is refused
    port: int = 0
    private_ok: bool = False
    dialled: int = (
        0  # new connections made, to tell a stale pooled one from a broken server
    )
    deadline: float = field(init=False)  # on time.monotonic()

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.limits.total_s

    def seconds_left(self, at_most: float) -> float:
        """Return how long the next wait may last. Raises OutboundError when the time is up."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise OutboundError(
                "timeout", f"no complete answer within {self.limits.total_s:g} s"
            )
        return min(left, at_most)

    def patience(self) -> float:
        """Return how long the server may stay silent now."""
        return self.seconds_left(self.limits.read_s)


CALL: ContextVar[RequestContext] = ContextVar(
    "outbound_call"
)  # set by the door around each request, in thread or greenlet


@contextlib.contextmanager
def request_context(call: RequestContext) -> Iterator[None]:
    """Make `call` the one whose deadline every socket of this thread keeps."""
    token = CALL.set(call)
    try:
        yield
    finally:
        CALL.reset(token)


def retry_until_ready(
    sock: socket.socket,
    step: Callable[[], T],
    seconds: Callable[[], float],
    *,
    sends: bool = False,
) -> T:
    """Do `step` on a non-blocking socket, waiting as often as it asks for; `seconds` says how long each wait may be.

    Not left to the socket's own timeout: gevent renews that with every byte, so that a server that drips the bytes of
    one TLS record would hold us for ever. Raises OutboundError ("timeout").
    """
    while True:
        wait = wait_for_write if sends else wait_for_read
        try:
            return step()
        except ssl.SSLWantReadError:
            wait = wait_for_read
        except ssl.SSLWantWriteError:
            wait = wait_for_write
        except BlockingIOError:
            pass
        patience = seconds()
        if not wait(sock, timeout=patience):
            seconds()  # where the whole time is up, that is what to say
            raise OutboundError(
                "timeout", f"the server was silent for {patience:.1f} s"
            )


class DeadlineSocket:
    """A connected, non-blocking socket whose every read and write ends by the deadline of the call that is under way.

    As much of a socket as http.client and urllib3 use.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, mode: str, *_: object) -> io.BufferedReader:
        return io.BufferedReader(_TimedReads(self._sock))

    def sendall(self, data: bytes) -> None:
        patience = CALL.get().patience
        rest = memoryview(data)
        while rest:
            send = partial(self._sock.send, rest)
            sent = retry_until_ready(self._sock, send, patience, sends=True)
            rest = rest[sent:]

    def settimeout(self, _: float | None) -> None:
        """urllib3 sets a timeout for each read; here the call's limits rule."""

    def fileno(self) -> int:
        return self._sock.fileno()

    def shutdown(self, how: int) -> None:
        self._sock.shutdown(how)

    def close(self) -> None:
        self._sock.close()


class _TimedReads(io.RawIOBase):
    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock
        self._hold = sock.makefile(
            "rb", buffering=0
        )  # keeps the socket open until the response has been read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return retry_until_ready(
            self._sock, lambda: self._sock.recv_into(buffer), CALL.get().patience
        )

    def close(self) -> None:
        self._hold.close()
        super().close()
