"""One open stream, with a queue for what its socket did not accept at once."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import gevent
from gevent.event import Event

from incidentwire.log.log_position import LogPosition
from services.api.events import sse
from services.api.events.filters import EventFilter

# References to shared bytes, so this bounds the delay rather than the memory.
MAX_QUEUED_BYTES = 1_000_000
STALL_S = 30.0  # a socket that accepts nothing for so long has lost its reader
SEND_BUFFER_BYTES = 131_072  # the kernel's part of a slow reader's backlog, per socket
CUTS = ("slow", "revoked")  # reasons that close the connection at once


class Subscriber:
    """One open stream.

    `sock` is gevent's socket under a chunked HTTP/1.1 response. Without it (HTTP/1.0,
    TLS, a test client) everything goes through the generator of the response.
    `api_key` is the digest of the key that opened it, "" for none.
    """

    __slots__ = (
        "_queue",
        "_queued",
        "_watcher",
        "api_key",
        "ended",
        "is_raw",
        "key",
        "on_end",
        "send",
        "sent",
        "skip_to",
        "sock",
        "wake",
        "wanted",
        "written_at",
    )

    def __init__(self, wanted: EventFilter, sock: Any, api_key: str = "") -> None:
        self.wanted = wanted
        self.sock = sock
        self.is_raw = sock is not None
        self.api_key = api_key
        self.key = (wanted, self.is_raw)
        self.skip_to = LogPosition(log_id="")  # served up to here before it joined
        self.sent = 0  # events
        self.written_at = time.monotonic()
        self.ended = ""  # why
        self.on_end: Callable[[Subscriber], None] | None = None
        self.wake = Event()
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._watcher: Any = None
        if self.is_raw:
            self.send = sock._sock.send  # the raw socket is non-blocking
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            sock.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALL_S * 1000)
            )
            self._watcher = gevent.get_hub().loop.io(sock.fileno(), 1)
            self._watcher.start(self._readable)

    def write(self, data: bytes) -> None:
        """Send what the socket accepts now and queue the rest. Never waits."""
        if self._queue or not self.is_raw:
            self._enqueue(data)
            return
        try:
            taken = self.send(data)
        except BlockingIOError:
            taken = 0
        except OSError:
            self.end("gone")
            return
        if taken < len(data):
            self._enqueue(data[taken:] if taken else data)

    def end(self, why: str) -> None:
        """Leave the broadcaster; the serving greenlet does the rest. Idempotent."""
        if self.ended:
            return
        self.ended = why
        if self.on_end:
            self.on_end(self)
        if why in CUTS:
            self._shut()  # wakes a greenlet that waits for room in the socket
        self.wake.set()

    def serve(self) -> Iterator[bytes]:
        """Run in the connection's greenlet until the stream ends.

        Yield what cannot be written to the socket directly.
        """
        try:
            while not self.ended:
                self.wake.wait()
                self.wake.clear()
                while self._queue and self.ended in ("", "stopped"):
                    yield from self._flush_one()
            if self.is_raw and self.ended == "stopped":
                with contextlib.suppress(OSError), gevent.Timeout(1.0, False):
                    self.sock.sendall(sse.LAST_CHUNK)
        finally:
            self.close()

    def close(self) -> None:
        """Free everything, however the stream ended."""
        self.end("gone")
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None
        self._queue.clear()
        self._shut()

    def _flush_one(self) -> Iterator[bytes]:
        # Stays in the queue until it is sent, so that later writes queue after it.
        data = self._queue[0]
        if not self.is_raw:
            yield data
        else:
            try:
                with gevent.Timeout(STALL_S):
                    self.sock.sendall(data)
            except (OSError, gevent.Timeout):
                self.end("gone")
        if self._queue:
            self._queue.popleft()
            self._queued -= len(data)

    def _enqueue(self, data: bytes) -> None:
        self._queue.append(data)
        self._queued += len(data)
        if self._queued > MAX_QUEUED_BYTES:
            self.end("slow")
        else:
            self.wake.set()

    def _readable(self) -> None:
        """Drop what the client sends; its end of file ends the stream."""
        try:
            if not self.sock._sock.recv(4096):
                self.end("gone")
        except BlockingIOError:
            pass
        except OSError:
            self.end("gone")

    def _shut(self) -> None:
        if not self.is_raw:
            return
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
