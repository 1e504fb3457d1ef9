"""Who waits for whom: hanging pages beside good ones, and one slow host before many others.

Two loads, each bounded in time. Single submissions of pages and texts at 6 a second,
undisturbed and with 1 page in 40 that hangs; then 500 pages of as many hosts behind
5,000 pages of one host whose pages take 2 s each.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import requests

from benchmarks.stand import Stand, free_port, row, stand, wait_for_port
from incidentwire import queue
from incidentwire.events import ItemSubmitted
from incidentwire.log.event_log import AppendRequest, EventLog
from incidentwire.net import urls
from incidentwire.queue import QueueEntry
from tests.many_hosts import HOSTS, ManyHosts, many_hosts

RATE = 6.0  # single submissions a second
HANG_EVERY = 40
SINGLE_S = 20.0  # duration of each run
SLOW = 5000
OTHERS = 500
SLOW_PAGE_S = 2.0
WITHIN_S = 60.0
MAX_RATIO = 2.0  # of the p95 with hanging pages to the undisturbed one

ARTICLE = (
    b'<!doctype html><html lang="en"><head><title>Benches PATH</title></head><body>'
    b"<article><h1>Benches PATH</h1>"
    + b"<p>The benches of the river park are back, the city said on Friday.</p>" * 12
    + b"</article></body></html>"
)


@dataclass
class Ends(threading.Thread):
    """Follows the log and notes when each item ended."""

    here: Stand
    ended: dict[str, float] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        log = EventLog(self.here.connection)
        for batch in log.follow(log.last(), wait_s=0.5):
            for entry in batch:
                if entry.event.in_flight == "ends":
                    self.ended[entry.subject] = time.monotonic()
            if self.stop.is_set():
                return

    def wait(self, done: Callable[[], bool], patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while not done() and time.monotonic() < deadline:
            time.sleep(0.1)


def singles(
    here: Stand,
    port: int,
    site: ManyHosts,
    ends: Ends,
    name: str,
    *,
    hanging: bool,
    seconds: float,
) -> list[float]:
    """Return the seconds from submission to end of each page and text that can end."""
    began: dict[str, float] = {}
    start = time.monotonic()
    count = int(seconds * RATE)
    with requests.Session() as session:
        for n in range(count):
            time.sleep(max(0.0, start + n / RATE - time.monotonic()))
            hangs = hanging and n % HANG_EVERY == 1
            path = f"/hang/{name}/{n}" if hangs else f"/{name}/{n}"
            body = {"url": site.url(n, path)}
            if n % 2 == 0:
                body = {
                    "title": f"{name} {n}",
                    "text": f"Benches are back: {name} {n}.",
                }
            at = time.monotonic()
            answer = session.post(
                f"http://127.0.0.1:{port}/v1/submissions",
                json=body,
                headers=here.headers,
                timeout=30,
            )
            if not hangs:
                began[answer.json()["id"]] = at
    ends.wait(lambda: began.keys() <= ends.ended.keys(), WITHIN_S)
    late = time.monotonic()
    return [ends.ended.get(item, late) - at for item, at in began.items()]


def behind_a_slow_host(
    here: Stand, site: ManyHosts, ends: Ends, slow: int
) -> tuple[int, float]:
    """Return how many of the others ended within WITHIN_S, and the last one's time."""
    log = EventLog(here.connection)
    submit(log, [site.url(0, f"/slow/{n}") for n in range(slow)])
    others = submit(log, [site.url(1 + n, f"/other/{n}") for n in range(OTHERS)])
    began = time.monotonic()
    ends.wait(lambda: set(others) <= ends.ended.keys(), WITHIN_S)
    times = [ends.ended[i] - began for i in others if i in ends.ended]
    return len(times), max(times, default=WITHIN_S)


def submit(log: EventLog, pages: list[str]) -> list[str]:
    """Append and queue pages as one bulk submission does."""
    ids = [urls.item_id(urls.canonicalize(url)) for url in pages]
    for start in range(0, len(ids), 500):
        some = list(zip(ids, pages, strict=True))[start : start + 500]
        entries = [
            QueueEntry(id=i, submitter="bulk", needs_fetch=True) for i, _ in some
        ]
        log.append_many(
            [
                AppendRequest(events=[(i, ItemSubmitted(via="bulk", url=url))])
                for i, url in some
            ],
            in_same_transaction=queue.enqueue(log.connection, entries, bulk=True),
        )
    return ids


def fetcher_memory_mb(here: Stand) -> float:
    """Return the resident memory of the fetcher."""
    pid = here.processes[1].pid
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        kib = next(line.split()[1] for line in status if line.startswith("VmRSS"))
    return int(kib) / 1024


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SINGLE_S, help="of each run")
    parser.add_argument("--slow", type=int, default=SLOW, help="pages of the slow host")
    given = parser.parse_args()
    with (
        many_hosts(ARTICLE) as site,
        stand(allowed_hosts=HOSTS, host_pause_s=0.0) as here,
    ):
        port = free_port()
        here.start("services.ingest.web", "--port", str(port))
        here.start("services.classifier.fetcher")
        for _ in range(2):
            here.start("services.classifier.worker")
        here.start("services.classifier.keeper")
        wait_for_port(port)
        ends = Ends(here)
        ends.start()

        def times(name: str, *, hanging: bool) -> list[float]:
            return singles(
                here, port, site, ends, name, hanging=hanging, seconds=given.seconds
            )

        times("warm", hanging=False)
        calm = p95(times("calm", hanging=False))
        beside = p95(times("beside", hanging=True))
        row("single submissions, 6/s: p95 to the end", f"{calm:.2f} s", "")
        row(
            "the same, 1 in 40 hangs: the others' p95",
            f"{beside:.2f} s",
            f"at most {MAX_RATIO:g} times that",
            beside <= MAX_RATIO * calm,
        )
        site.slow_s = SLOW_PAGE_S
        ended, last = behind_a_slow_host(here, site, ends, given.slow)
        row(
            f"{OTHERS} pages of many hosts behind {given.slow:,} of a slow one",
            f"{ended} ended in {last:.0f} s",
            f"all within {WITHIN_S:.0f} s",
            ended == OTHERS,
        )
        row("memory of the fetcher then", f"{fetcher_memory_mb(here):.0f} MB", "400 MB")
        ends.stop.set()
        ends.join()


if __name__ == "__main__":
    main()
