"""A client of the event stream as strict as a browser: it parses chunks and events itself."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

PATIENCE_S = 60.0  # with a stream that should end


class Closed(Exception):
    """The server closed the stream; `clean` tells whether it ended the chunked answer."""

    def __init__(self, *, clean: bool) -> None:
        super().__init__("clean" if clean else "cut")
        self.clean = clean


@dataclass(frozen=True)
class Message:
    """One server-sent event. `id` is the position in its cursor."""

    id: int
    event: str
    data: dict[str, Any]
    cursor: str


class EventStream:
    """One connection. Every read fails after `timeout_s`, so that a test never hangs."""

    def __init__(
        self,
        port: int,
        path: str,
        headers: dict[str, str],
        *,
        timeout_s: float = 30.0,
        version: str = "1.1",
    ) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        lines = [
            f"GET {path} HTTP/{version}",
            "Host: test",
            *(f"{k}: {v}" for k, v in headers.items()),
            "",
            "",
        ]
        self.sock.sendall("\r\n".join(lines).encode())
        self.raw = b""
        self.text = b""
        head, self.raw = self._until(b"\r\n\r\n")
        status, *rest = head.decode().split("\r\n")
        self.status = int(status.split()[1])
        self.headers = {
            k.lower(): v for k, _, v in (line.partition(": ") for line in rest)
        }
        self.is_chunked = self.headers.get("transfer-encoding") == "chunked"

    def next(self) -> Message:
        """Return the next message of any kind. Raises Closed."""
        while True:
            while b"\n\n" not in self.text:
                self.text += self._chunk()
            block, _, self.text = self.text.partition(b"\n\n")
            fields = dict(
                line.split(": ", 1)
                for line in block.decode().split("\n")
                if not line.startswith(":")
            )
            if "data" in fields:
                cursor = fields["id"]
                position = int(cursor.partition("-")[0])
                data = json.loads(fields["data"])
                return Message(position, fields["event"], data, cursor)

    def events(self) -> Iterator[Message]:
        """Messages that are events of the log."""
        while True:
            message = self.next()
            if message.event not in ("checkpoint", "gap"):
                yield message

    def take(self, count: int) -> list[int]:
        """Return the positions of the next `count` events."""
        events = self.events()
        return [next(events).id for _ in range(count)]

    def until_closed(self) -> tuple[list[Message], bool]:
        """Every message that is still to come, and whether the server then ended the stream properly.

        Raises AssertionError for a stream that stays open.
        """
        messages: list[Message] = []
        deadline = monotonic() + PATIENCE_S
        try:
            while monotonic() < deadline:
                messages.append(self.next())
            raise AssertionError("the server does not end the stream")
        except Closed as closed:
            return messages, closed.clean

    def close(self) -> None:
        self.sock.close()

    def _chunk(self) -> bytes:
        if not self.is_chunked:
            received = self.raw or self._receive()
            self.raw = b""
            return received
        size_line, self.raw = self._until(b"\r\n")
        size = int(size_line, 16)
        while len(self.raw) < size + 2:
            self.raw += self._receive()
        data = self.raw[:size]
        end = self.raw[size : size + 2]
        self.raw = self.raw[size + 2 :]
        assert end == b"\r\n", "the chunk is followed by something else"
        if size == 0:
            raise Closed(clean=True)
        return data

    def _until(self, mark: bytes) -> tuple[bytes, bytes]:
        while mark not in self.raw:
            self.raw += self._receive()
        head, _, rest = self.raw.partition(mark)
        return head, rest

    def _receive(self) -> bytes:
        try:
            received = self.sock.recv(65536)
        except ConnectionResetError:
            received = b""
        if not received:
            raise Closed(clean=False)
        return received
