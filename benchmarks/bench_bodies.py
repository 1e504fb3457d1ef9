"""Ten large hostile bodies while others submit: what do the others wait, and how much memory goes?

Half as JSON, half as NDJSON: unknown fields, blank lines, deep nesting, one long line. The
others and the sender are processes of their own, the sender niced. The undisturbed run
is taken twice: alone, and while the same bytes go to a sink, which shows what the
sender itself takes of a small machine.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import requests

from benchmarks.stand import Stand, free_port, row, stand, wait_for_port

RATE = 6.0  # single submissions a second, by another client
CALM_S = 15.0  # duration of the undisturbed run
MAX_RATIO = 3.0  # of the others' p95
MAX_MB = 400
JSON = "application/json"
NDJSON = "application/x-ndjson"
UNKNOWN = b'{"text":"x",' + b",".join(b'"k%d":1' % n for n in range(900)) + b"}\n"
SPAWN = multiprocessing.get_context("spawn")


def bodies(size: int) -> Iterator[tuple[str, bytes]]:
    """Yield ten bodies of `size` bytes with their media types."""
    for media_type in (NDJSON, JSON):
        yield media_type, UNKNOWN * (size // len(UNKNOWN))
        yield media_type, (b"\n" if media_type == NDJSON else b" ") * size
        yield media_type, b"[" * size
        yield media_type, b'{"a":' * (size // 5)
        yield media_type, b'{"text":"' + b"a" * size


def submit_texts(url: str, headers: dict[str, str], control: Connection) -> None:
    """Submit small texts at RATE until told to stop; send the seconds of each, and how many were refused."""
    times: list[float] = []
    refused = 0
    start = time.monotonic()
    with requests.Session() as session:
        session.headers.update(headers)
        while not control.poll(max(0.0, start + len(times) / RATE - time.monotonic())):
            began = time.monotonic()
            body = {"text": f"Benches are back in the park: {start} {len(times)}."}
            answer = session.post(url, json=body, timeout=120)
            times.append(time.monotonic() - began)
            refused += answer.status_code >= 300
    control.send((times, refused))


@contextlib.contextmanager
def others(here: Stand, url: str) -> Iterator[dict[str, float]]:
    """Have another client submit meanwhile; fill in `p95` in seconds and `refused`."""
    ours, theirs = SPAWN.Pipe()
    client = SPAWN.Process(target=submit_texts, args=(url, here.headers, theirs))
    client.start()
    figures: dict[str, float] = {}
    yield figures
    ours.send("stop")
    times, figures["refused"] = ours.recv()
    figures["p95"] = statistics.quantiles(times, n=20)[-1]
    figures["most"] = max(times)
    client.join()


def send(url: str, headers: dict[str, str], media_type: str, body: bytes) -> int:
    """Return the status of the answer, 0 if the connection was closed meanwhile."""
    with contextlib.suppress(requests.ConnectionError):
        headers = {**headers, "Content-Type": media_type}
        return requests.post(url, data=body, headers=headers, timeout=300).status_code
    return 0


def sink(listener: socket.socket) -> None:
    """Read requests to their end, and answer each 204."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return  # closed: the run is over
        with client:
            head, _, rest = client.recv(65_536).partition(b"\r\n\r\n")
            length = head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
            left = int(length) - len(rest)
            while left > 0 and (part := client.recv(1_048_576)):
                left -= len(part)
            client.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


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
        url = f"http://127.0.0.1:{port}/v1/submissions"
        send(url, here.headers, JSON, b'{"text": "Load the app."}')
        os.nice(10)  # the sender is not what is measured
        with others(here, url) as alone:
            time.sleep(CALM_S)
        with others(here, url) as beside_sink, socket.create_server(("", 0)) as server:
            threading.Thread(target=sink, args=(server,), daemon=True).start()
            address = f"http://127.0.0.1:{server.getsockname()[1]}/"
            until = time.monotonic() + CALM_S
            while time.monotonic() < until:
                for kind, body in bodies(size):
                    send(address, {}, kind, body)
        row(
            "undisturbed p95, and beside a sender to a sink",
            f"{alone['p95'] * 1e3:.0f} ms, {beside_sink['p95'] * 1e3:.0f} ms",
            "",
        )
        statuses: list[int] = []
        for name, at_once in (("one after another", 1), ("five at once", 5)):
            began = time.monotonic()
            with others(here, url) as beside, ThreadPoolExecutor(at_once) as pool:
                rounds = 0
                while not rounds or time.monotonic() - began < CALM_S:
                    rounds += 1
                    asked = [
                        pool.submit(send, url, here.headers, kind, body)
                        for kind, body in bodies(size)
                    ]
                    statuses += [each.result() for each in asked]
            ratio = beside["p95"] / alone["p95"]
            row(
                f"others beside 10 hostile bodies, {name}: p95, most",
                f"{beside['p95'] * 1e3:.0f} ms, {beside['most'] * 1e3:.0f} ms",
                f"p95 at most {MAX_RATIO:g} x, is {ratio:.1f} x",
                ratio <= MAX_RATIO,
            )
            row(
                "  rounds and seconds",
                f"{rounds}, {time.monotonic() - began:.0f} s",
                "",
            )
            row(
                "  others that were refused",
                f"{beside['refused']}",
                "0",
                not beside["refused"],
            )
        row(
            "answers to the bodies",
            " ".join(map(str, sorted(set(statuses)))),
            "no 5xx",
            all(status < 500 for status in statuses),
        )
        most = max(peaks_mb(here))
        row("largest process then", f"{most:.0f} MB", f"{MAX_MB} MB", most <= MAX_MB)


if __name__ == "__main__":
    main()
