"""1,000 URLs over 50 hosts that take 200 ms to answer: how many pages a second, and are the hosts' limits kept?"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from itertools import pairwise

from benchmarks.bench_path import Stream, submit, text, until_ended
from benchmarks.page_server import serving
from benchmarks.stand import free_port, row, stand, wait_for_port

HOSTS = 50
PER_HOST = 20
LATENCY_S = 0.2
AT_ONCE = 2
PAUSE_S = 0.1
WORKERS = 2


class Hosts:
    """50 loopback addresses on one port: each counts how many pages it serves at once, and how close they start."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now: dict[str, int] = defaultdict(int)
        self.most = 0
        self.starts: dict[str, list[float]] = defaultdict(list)

    def page(self, host: str, number: int) -> bytes:
        with self.lock:
            self.now[host] += 1
            self.most = max(self.most, self.now[host])
            self.starts[host].append(time.monotonic())
        time.sleep(LATENCY_S)
        with self.lock:
            self.now[host] -= 1
        return f"<html><head><title>Item {number}</title></head><body><p>{text(number)}</p></body></html>".encode()

    def shortest_pause_s(self) -> float:
        return min(
            b - a for starts in self.starts.values() for a, b in pairwise(starts)
        )


def main() -> None:
    """Print the rate and the limits as the hosts saw them."""
    hosts = Hosts()
    addresses = [f"127.0.1.{n + 1}" for n in range(HOSTS)]
    limits: dict[str, object] = {"host_concurrency": AT_ONCE, "host_pause_s": PAUSE_S}
    with (
        serving(hosts.page) as port,
        stand(allowed_hosts=frozenset(addresses), **limits) as here,
    ):
        ingest = free_port()
        api = free_port()
        here.start("services.ingest.web", "--port", str(ingest))
        here.start("services.api.web", "--port", str(api))
        here.start("services.classifier.fetcher")
        for _ in range(WORKERS):
            here.start("services.classifier.worker")
        wait_for_port(ingest)
        wait_for_port(api)
        stream = Stream(here, api)
        stream.start()
        until_ended(
            stream,
            submit(
                here,
                ingest,
                [{"text": "A first text, so that everything is loaded. " * 4}],
            ),
        )
        total = HOSTS * PER_HOST
        lines = [
            {"url": f"http://{addresses[n % HOSTS]}:{port}/page/{n}"}
            for n in range(total)
        ]
        began = time.monotonic()
        ids = submit(here, ingest, lines)
        rate = total / (until_ended(stream, ids) - began)
    row(
        "1,000 URLs over 50 hosts, 200 ms each",
        f"{rate:,.1f} pages/s",
        "want 20/s",
        rate >= 20,
    )
    row(
        "  most requests at one host at once",
        f"{hosts.most}",
        f"limit {AT_ONCE}",
        hosts.most <= AT_ONCE,
    )
    pause = hosts.shortest_pause_s()
    row(
        "  shortest pause at one host",
        f"{pause * 1000:.0f} ms",
        f"set {PAUSE_S * 1000:.0f} ms (as dialled)",
        None,
    )


if __name__ == "__main__":
    main()
