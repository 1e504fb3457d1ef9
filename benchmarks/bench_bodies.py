"""Ten large hostile bodies while others submit: what do the others wait, and how much memory goes?

Half as JSON, half as NDJSON: unknown fields, blank lines, deep nesting, one long line.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import requests

from benchmarks.stand import Stand, free_port, row, stand, wait_for_port

RATE = 6.0  # single submissions a second, by another client
CALM_S = 15.0  # duration of the undisturbed run
MAX_RATIO = 3.0  # of the others' p95
MAX_MB = 400
JSON, NDJSON = "application/json", "application/x-ndjson"
UNKNOWN = b'{"text":"x",' + b",".join(b'"k%d":1' % n for n in range(900)) + b"}\n"


def bodies(size: int) -> list[tuple[str, bytes]]:
    """Return ten bodies of `size` bytes with their media types."""
    long_line = b'{"text":"' + b"a" * size
    fields = UNKNOWN * (size // len(UNKNOWN))
    flat = b'{"text":"x",' + b'"k":1,' * (size // 6)
    kinds = [fields, b"\n" * size, b"[" * size, b'{"a":' * (size // 5), long_line]
    return [(NDJSON, body) for body in kinds] + [
        (JSON, body) for body in (flat, b" " * size, *kinds[2:])
    ]


class Others(threading.Thread):
    """A client that submits small texts at RATE; `times` are the seconds of each."""

    def __init__(self, here: Stand, port: int) -> None:
        super().__init__(daemon=True)
        self.here = here
        self.url = f"http://127.0.0.1:{port}/v1/submissions"
        self.times: list[float] = []
        self.refused = 0
        self.stop = threading.Event()

    def run(self) -> None:
        start = time.monotonic()
        number = 0
        with requests.Session() as session:
            session.headers.update(self.here.headers)
            while not self.stop.is_set():
                number += 1
                self.stop.wait(max(0.0, start + number / RATE - time.monotonic()))
                began = time.monotonic()
                body = {"text": f"Benches are back in the park: {start} {number}."}
                answer = session.post(self.url, json=body, timeout=120)
                self.times.append(time.monotonic() - began)
                self.refused += answer.status_code >= 300

    def p95(self) -> float:
        self.stop.set()
        self.join()
        return statistics.quantiles(self.times, n=20)[-1]


def send(here: Stand, port: int, media_type: str, body: bytes) -> int:
    """Return the status of the answer, 0 if the connection was closed meanwhile."""
    with contextlib.suppress(requests.ConnectionError):
        answer = requests.post(
            f"http://127.0.0.1:{port}/v1/submissions",
            data=body,
            headers={**here.headers, "Content-Type": media_type},
            timeout=300,
        )
        return answer.status_code
    return 0


def peaks_mb(here: Stand) -> Iterator[float]:
    """Yield the peak of resident memory of each process and of its children."""
    for process in here.processes:
        pid = process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (str(pid), *children):
            lines = Path(f"/proc/{each}/status").read_text().splitlines()
            kib = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
            yield int(kib) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=float, default=60.0, help="size of each body")
    size = int(parser.parse_args().mb * 1e6)
    with stand() as here:
        port = free_port()
        here.start("services.ingest.web", "--port", str(port))
        here.start("services.classifier.worker")
        wait_for_port(port)
        send(here, port, JSON, b'{"text": "Load the app."}')
        calm = Others(here, port)
        calm.start()
        calm.stop.wait(CALM_S)
        undisturbed = calm.p95()
        others = Others(here, port)
        others.start()
        statuses = [send(here, port, kind, body) for kind, body in bodies(size)]
        disturbed = others.p95()
        row("others beside 10 hostile bodies: p95", f"{disturbed * 1e3:.0f} ms",
            f"at most {MAX_RATIO:g} x {undisturbed * 1e3:.0f} ms",
            disturbed <= MAX_RATIO * undisturbed)  # fmt: skip
        row("others that were refused", str(others.refused), "0", not others.refused)
        row("answers to the bodies", " ".join(map(str, statuses)), "no 5xx",
            all(status < 500 for status in statuses))  # fmt: skip
        most = max(peaks_mb(here))
        row("largest process then", f"{most:.0f} MB", f"{MAX_MB} MB", most <= MAX_MB)


if __name__ == "__main__":
    main()
