"""Webhook endpoints in one process: `python -m benchmarks.webhook_sink PORT GOOD DEAD`.

GOOD addresses 127.0.2.x answer 204 at once, DEAD addresses 127.0.3.x never answer. Prints
`ready`; when standard input closes, one JSON object: (seconds, latency in ms) of each
delivery to a good endpoint, in order of arrival.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

MARK = re.compile(rb"bench/(\d+)/(\d+)")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Good(asyncio.Protocol):
    """Answers each request of a connection, and notes when it had come."""

    def __init__(self, arrivals: list[tuple[float, float]]) -> None:
        self.arrivals = arrivals
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            found = LENGTH.search(self.data[:end])
            size = end + 4 + int(found[1] if found else 0)
            if len(self.data) < size:
                return
            now_ns = time.time_ns()
            mark = MARK.search(self.data[:size])
            if mark:
                latency_ms = (now_ns - int(mark[2])) / 1e6
                self.arrivals.append((now_ns / 1e9, latency_ms))
            self.data = self.data[size:]
            self.transport.write(ANSWER)  # type: ignore[attr-defined]


async def serve(port: int, good: int, dead: int) -> None:
    arrivals: list[tuple[float, float]] = []
    loop = asyncio.get_running_loop()
    for number in range(1, good + 1):
        await loop.create_server(lambda: Good(arrivals), f"127.0.2.{number}", port)
    for number in range(1, dead + 1):
        await loop.create_server(asyncio.Protocol, f"127.0.3.{number}", port)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps(arrivals))


if __name__ == "__main__":
    asyncio.run(serve(*map(int, sys.argv[1:])))
