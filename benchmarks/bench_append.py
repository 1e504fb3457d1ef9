"""How much of the store's own speed does a durable append through the kernel keep? 16 clients, fsync always."""

from __future__ import annotations

import multiprocessing
import threading
import time

import redis

from benchmarks.stand import row, stand
from incidentwire.events import ItemSubmitted
from incidentwire.log.event_log import EventLog

PROCESSES = 2
THREADS = 8
SECONDS = 4.0


def _bare(url: str, results: multiprocessing.Queue[int]) -> None:
    def client(connection: redis.Redis, counts: list[int]) -> None:
        data = '{"via":"bench","url":"https://news.example.org/2026/05/31/some-article-of-usual-length"}'
        end = time.monotonic() + SECONDS
        done = 0
        while time.monotonic() < end:
            connection.xadd(
                "bare",
                {
                    "t": "item.submitted",
                    "s": f"i_{done}",
                    "at": 1_770_000_000_000,
                    "d": data,
                },
            )
            done += 1
        counts.append(done)

    results.put(_threads(url, client))


def _ours(url: str, results: multiprocessing.Queue[int]) -> None:
    def client(connection: redis.Redis, counts: list[int]) -> None:
        log = EventLog(connection)
        name = threading.get_ident()
        event = ItemSubmitted(
            via="bench",
            url="https://news.example.org/2026/05/31/some-article-of-usual-length",
        )
        end = time.monotonic() + SECONDS
        done = 0
        while time.monotonic() < end:
            subject = f"i_{multiprocessing.current_process().pid}x{name}x{done}"
            log.append(subject, event, expected_versions={subject: 0})
            done += 1
        counts.append(done)

    results.put(_threads(url, client))


def _threads(url: str, client: object) -> int:
    counts: list[int] = []
    threads = [
        threading.Thread(target=client, args=(redis.Redis.from_url(url), counts))  # type: ignore[arg-type]
        for _ in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def _rate(url: str, target: object) -> float:
    results: multiprocessing.Queue[int] = multiprocessing.Queue()
    workers = [
        multiprocessing.Process(target=target, args=(url, results))
        for _ in range(PROCESSES)
    ]  # type: ignore[arg-type]
    for worker in workers:
        worker.start()
    total = sum(results.get() for _ in workers)
    for worker in workers:
        worker.join()
    return total / SECONDS


def main() -> None:
    """Print the ratio, measured in turns."""
    with stand() as here:
        url = here.settings.redis_url
        bare = ours = 0.0
        for _ in range(2):
            bare += _rate(url, _bare) / 2
            ours += _rate(url, _ours) / 2
    row(
        "durable append, 16 clients",
        f"{ours:,.0f}/s",
        f"bare XADD {bare:,.0f}/s, want 0.5 of it",
        ours >= 0.5 * bare,
    )


if __name__ == "__main__":
    main()
