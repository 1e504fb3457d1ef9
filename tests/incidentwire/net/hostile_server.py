"""A server on loopback that does to each connection whatever a test says, byte for byte."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

TLS = (
    Path(__file__).parent / "tls"
)  # a test authority, a certificate of its for news.test, a self-signed one
Behaviour = Callable[[socket.socket], None]


class HostileServer:
    """Accepts connections until closed and runs `behaviour` on each, in a thread of its own."""

    def __init__(self, behaviour: Behaviour, certificate: str | None = None) -> None:
        self._behaviour = behaviour
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(TLS / certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            contextlib.ExitStack() as stack,
        ):  # the client hangs up: that is what we test
            stack.callback(connection.close)
            if self._tls is not None:
                connection = stack.enter_context(
                    self._tls.wrap_socket(connection, server_side=True)
                )
            self._behaviour(connection)

    def close(self) -> None:
        with contextlib.suppress(
            OSError
        ):  # wakes accept(), which close() alone does not
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def read_request(connection: socket.socket) -> bytes:
    """Read one request, its body included; b"" when the client has hung up."""
    request = b""
    missing = 1
    while missing > 0:
        piece = connection.recv(65_536)
        if not piece:
            return b""
        request += piece
        head, end, body = request.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *([0-9]+)", head, re.IGNORECASE)
        missing = int(length[1]) - len(body) if length else 0
        if not end:
            missing = 1
    return request


def says(answer: bytes) -> Behaviour:
    """Answer one request with these bytes and hang up."""

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer)
        with contextlib.suppress(
            OSError
        ):  # an orderly end: nothing unread is left, so no reset overtakes the answer
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass

    return behave


def drips(start: bytes, piece: bytes, stop: threading.Event) -> Behaviour:
    """Answer with `start`, then with `piece` again and again, slowly, until the client hangs up or the test ends."""

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(start)
        while not stop.wait(0.02):
            connection.sendall(piece)

    return behave


def floods(start: bytes, piece: bytes) -> Behaviour:
    """Answer with `start`, then with `piece` without end."""

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(start)
        while True:
            connection.sendall(piece)

    return behave


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """Write a well-formed answer; header names in snake_case."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body


def addresses(*ips: str) -> Callable[..., list[tuple[Any, ...]]]:
    """Return a resolver that gives these addresses for every name, in the shape of socket.getaddrinfo."""

    def resolve(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        return [
            (
                socket.AF_INET6 if ":" in ip else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (ip, port),
            )
            for ip in ips
        ]

    return resolve
