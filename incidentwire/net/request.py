"""One outbound request: its limits, its errors, and a socket that keeps its deadline."""

from __future__ import annotations

import contextlib
import io
import re
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

# Reason -> whether the same request may succeed later.
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


BLANK_LINES = frozenset({b"\r\n", b"\n", b""})
# Lines of a head that are no headers and are left out; http.client judges further ones.
MAX_DROPPED = 100
# An interim response, as 103 (Early Hints): another head follows. Not 101, which ends HTTP.
_INTERIM = re.compile(rb"(HTTP/1\.[01]) 1(?!01)\d\d\b")
_HEADER = re.compile(rb"\A([!-9;-~]++)[ \t]*+:")


class OutboundError(Exception):
    """A request without a usable answer: `reason` is a slug of RETRYABLE, `detail` a
    sentence for people, without words of the server.

    `retryable` says whether to try again; `retry_after_s` (seconds) is set if it is
    known when.
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

    Seconds: for name look-up and connection, for the TLS handshake, for one silence,
    and for all of it with its redirects. Bytes of the body: as sent, and again after
    decompression.
    """

    connect_s: float = 5.0
    read_s: float = 10.0
    total_s: float = 30.0
    max_bytes: int = 10_000_000
    max_redirects: int = 10


@dataclass(kw_only=True)
class RequestContext:
    """A request under way: the host that was checked, and the time that is left.

    A connection to another host than `host` (IPv6 without brackets) is refused.
    `dialled` counts new connections, to tell a stale pooled one from a broken server.
    `head` is the status line and the headers of the newest response, as sent.
    """

    limits: RequestLimits
    tls: ssl.SSLContext
    resolve: Resolve
    host: str = ""
    port: int = 0
    private_ok: bool = False
    dialled: int = 0
    head: bytes = b""
    deadline: float = field(init=False)  # on time.monotonic()

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.limits.total_s

    def seconds_left(self, at_most: float) -> float:
        """Return how long the next wait may last. Raises OutboundError when the time is
        up."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise OutboundError(
                "timeout", f"no complete answer within {self.limits.total_s:g} s"
            )
        return min(left, at_most)

    def patience(self) -> float:
        """Return how long the server may stay silent now."""
        return self.seconds_left(self.limits.read_s)


# Set by HttpClient around each request, in its thread or greenlet.
CURRENT_CALL: ContextVar[RequestContext] = ContextVar("outbound_call")


@contextlib.contextmanager
def request_context(call: RequestContext) -> Iterator[None]:
    """Make `call` the one whose deadline every socket of this thread keeps."""
    token = CURRENT_CALL.set(call)
    try:
        yield
    finally:
        CURRENT_CALL.reset(token)


def retry_until_ready(
    sock: socket.socket,
    step: Callable[[], T],
    seconds: Callable[[], float],
    *,
    sends: bool = False,
) -> T:
    """Do `step` on a non-blocking socket, waiting as often as needed; `seconds` returns
    how long each wait may be. Raises OutboundError ("timeout").

    The socket's own timeout will not do: gevent renews it with every byte, so that a
    server that drips the bytes of one TLS record would hold us for ever.
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
            seconds()  # raises if the whole time is up
            raise OutboundError(
                "timeout", f"the server was silent for {patience:.1f} s"
            )


class DeadlineSocket:
    """A connected, non-blocking socket whose every read and write ends by the deadline
    of the request under way. It has as much of a socket as http.client and urllib3 use.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, mode: str, *_: object) -> io.BufferedReader:
        return _ResponseReader(_TimedReads(self._sock))

    def sendall(self, data: bytes) -> None:
        patience = CURRENT_CALL.get().patience
        rest = memoryview(data)
        while rest:
            send = partial(self._sock.send, rest)
            sent = retry_until_ready(self._sock, send, patience, sends=True)
            rest = rest[sent:]

    def settimeout(self, _: float | None) -> None:
        """Do nothing: the limits of the request hold, not urllib3's."""

    def fileno(self) -> int:
        return self._sock.fileno()

    def shutdown(self, how: int) -> None:
        self._sock.shutdown(how)

    def close(self) -> None:
        self._sock.close()


class _ResponseReader(io.BufferedReader):
    """Records the head of a response as sent, in the context of its request.

    http.client reads the head, and nothing before its end, line by line. It joins and
    decodes header lines in ways that cannot be undone. It knows no interim responses
    but 100, and takes a line that is no header for the end of the head, so these are
    read as browsers do.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self._head = bytearray()
        self._in_head = True
        self._dropped = 0

    def readline(self, size: int | None = -1) -> bytes:
        limit = -1 if size is None else size
        line = super().readline(limit)
        while self._in_head:
            is_first = not self._head
            self._record(line)
            if is_first:
                return _INTERIM.sub(rb"\1 100", line)
            header = _HEADER.match(line)
            if header:
                return header[1] + b":" + line[header.end() :]
            if self._is_read(line):
                return line
            self._dropped += 1
            line = super().readline(limit)
        return line

    def _is_read(self, line: bytes) -> bool:
        """Return True for a line that http.client reads: blank, folded or too many."""
        is_folded = line[:1] in (b" ", b"\t")
        return line in BLANK_LINES or is_folded or self._dropped >= MAX_DROPPED

    def _record(self, line: bytes) -> None:
        self._head += line
        if line not in BLANK_LINES:
            return
        if _INTERIM.match(self._head):
            self._head.clear()
            return
        self._in_head = False
        CURRENT_CALL.get().head = bytes(self._head)


class _TimedReads(io.RawIOBase):
    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock
        # Keeps the socket open until the response has been read.
        self._hold = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return retry_until_ready(
            self._sock,
            lambda: self._sock.recv_into(buffer),
            CURRENT_CALL.get().patience,
        )

    def close(self) -> None:
        self._hold.close()
        super().close()
