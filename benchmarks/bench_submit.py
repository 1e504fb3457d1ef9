"""How many submissions are accepted a second? Single JSON over 32 connections, and NDJSON in bulk."""

from __future__ import annotations

import asyncio
import multiprocessing
import time

import requests

from benchmarks.stand import Stand, free_port, row, stand, wait_for_port

CONNECTIONS = 32
SECONDS = 6.0
BULK_ITEMS = 10_000
BULK_BODIES = 3
SINGLE_GOAL = 600
BULK_GOAL = 4000


def _singles(
    port: int, key: str, results: multiprocessing.Queue[tuple[int, int]]
) -> None:
    results.put(asyncio.run(_load(port, key)))


async def _load(port: int, key: str) -> tuple[int, int]:
    counts = {"202": 0, "other": 0}
    end = time.monotonic() + SECONDS

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = 0
        while time.monotonic() < end:
            body = (
                b'{"url": "https://news.example.org/%d/%d/some-article-of-usual-length"}'
                % (number, sent)
            )
            head = f"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
            head += (
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            status = await reader.readline()
            length = 0
            while (line := await reader.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            await reader.readexactly(length)
            counts["202" if b" 202 " in status else "other"] += 1
            sent += 1
        writer.close()

    await asyncio.gather(*(client(n) for n in range(CONNECTIONS)))
    return counts["202"], counts["other"]


def _bulk(here: Stand, port: int) -> float:
    headers = {**here.headers, "Content-Type": "application/x-ndjson"}
    began = time.monotonic()
    accepted = 0
    for body in range(BULK_BODIES):
        lines = "".join(
            f'{{"url": "https://bulk.example.org/{body}/{n}/article"}}\n'
            for n in range(BULK_ITEMS)
        )
        answer = requests.post(
            f"http://127.0.0.1:{port}/v1/submissions",
            data=lines,
            headers=headers,
            timeout=120,
        )
        accepted += answer.text.count('"status": 202')
    if accepted != BULK_ITEMS * BULK_BODIES:
        raise RuntimeError(f"only {accepted} accepted")
    return accepted / (time.monotonic() - began)


def main() -> None:
    """Print both rates."""
    with stand() as here:
        port = free_port()
        here.start("services.ingest.web", "--port", str(port), "--workers", "2")
        wait_for_port(port)
        results: multiprocessing.Queue[tuple[int, int]] = multiprocessing.Queue()
        client = multiprocessing.Process(
            target=_singles, args=(port, here.key, results)
        )
        client.start()
        accepted, other = results.get()
        client.join()
        rate = accepted / SECONDS
        row(
            "submissions, single JSON, 32 connections",
            f"{rate:,.0f}/s ({other} other)",
            "want 600/s",
            rate >= SINGLE_GOAL,
        )
        bulk = _bulk(here, port)
        row(
            "submissions, bulk NDJSON",
            f"{bulk:,.0f} items/s",
            "want 4,000/s",
            bulk >= BULK_GOAL,
        )


if __name__ == "__main__":
    main()
