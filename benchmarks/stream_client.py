"""Many subscribers in one process: `python -m benchmarks.stream_client HOST PORT PATH COUNT SECONDS [KEY…]`.

The keys are used in turn, since the API bounds the streams of each. Prints `ready` once all are connected, then waits
for the bench's events, whose data holds `bench/<n>/<time in ns>`, and prints one JSON object: (n, latency in ms) of
each event at each subscriber, and how many there were.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time

MARK = re.compile(rb"bench/(\d+)/(\d+)")


FILTERS = 50


def request(host: str, path: str, key: str | None) -> bytes:
    """Return the request of one stream, with `key` as its bearer token."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Accept: text/event-stream"]
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    return "\r\n".join([*lines, "", ""]).encode()


def connect(
    host: str, port: int, path: str, count: int, keys: list[str]
) -> list[socket.socket]:
    """Open streams; `{n}` in the path becomes one of FILTERS numbers."""
    sockets = []
    for number in range(count):
        key = keys[number % len(keys)] if keys else None
        filled = path.replace("{n}", str(number % FILTERS))
        sock = socket.create_connection((host, port), timeout=60)
        sock.sendall(request(host, filled, key))
        sockets.append(sock)
    for sock in sockets:
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(4096)
        assert head.startswith(b"HTTP/1.1 200"), head
        sock.setblocking(False)
    return sockets


def receive(
    sockets: list[socket.socket], seconds: float
) -> list[tuple[int, int, bytes]]:
    """Return (connection, time in ns, bytes) in order of arrival: nothing is looked at until the time is over."""
    selector = selectors.EpollSelector()
    for number, sock in enumerate(sockets):
        selector.register(sock, selectors.EVENT_READ, (number, sock.recv))
    received = []
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            number, recv = key.data
            data = recv(65536)
            received.append((number, time.time_ns(), data))
            if not data:
                selector.unregister(key.fileobj)
    return received


def main() -> None:
    host, port, path, count, seconds, *keys = sys.argv[1:]
    sockets = connect(host, int(port), path, int(count), keys)
    print("ready", flush=True)
    tails: dict[int, bytes] = {}
    got: dict[int, set[int]] = {}
    latencies = []
    for number, at, data in receive(sockets, float(seconds)):
        text = tails.get(number, b"") + data
        cut = text.rfind(b"\n\n") + 2 if b"\n\n" in text else 0
        tails[number] = text[cut:]
        for mark in MARK.finditer(text[:cut]):
            seen = got.setdefault(number, set())
            if int(mark[1]) not in seen:
                seen.add(int(mark[1]))
                latencies.append((int(mark[1]), round((at - int(mark[2])) / 1e6, 3)))
    print(
        json.dumps({"latencies_ms": latencies, "events": sum(map(len, got.values()))})
    )


if __name__ == "__main__":
    main()
