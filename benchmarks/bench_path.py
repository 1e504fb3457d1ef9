"""The whole path, submit to classified event on the stream: rate, latency, where the CPU time goes, memory per item."""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import threading
import time
from pathlib import Path

import requests

from benchmarks.page_server import serving
from benchmarks.stand import Stand, free_port, row, stand, wait_for_port
from services.classifier.extraction.extract import ExtractError, extract
from services.classifier.labelling.classifier import Classifier

TEXTS = 1500
SINGLES = 40
PAGES = 400
WORKERS = 2
OWN_PAGES = Path("tests/pages")
EVALUATION_PAGES = Path("../shared/eval/extraction/html")

SENTENCES = (
    "The operator of a parking app said that the records of some {n} drivers could be read by anybody for a week.",
    "A committee of the regional parliament heard four experts on the question of cameras at crossings.",
    "The company wrote to its customers that it had found no sign of misuse so far.",
    "Members of a rowing club complained that their portraits had been used without asking them.",
    "The weather in the valley stayed mild, and the lake rose by {n} millimetres overnight.",
    "A spokesperson declined to say how long the copies had been kept, or by whom.",
)


class Stream(threading.Thread):
    """Follows the stream from the beginning and notes when each item ended."""

    def __init__(self, here: Stand, port: int) -> None:
        super().__init__(daemon=True)
        self.here = here
        self.port = port
        self.ended = dict[str, float]()

    def run(self) -> None:
        url = f"http://127.0.0.1:{self.port}/v1/events/stream?after=0&type=item.classified&type=item.rejected"
        with requests.get(
            url, headers=self.here.headers, stream=True, timeout=300
        ) as answer:
            for line in answer.iter_lines(chunk_size=None):
                if line.startswith(b'data: {"specversion"'):
                    subject = (
                        line.split(b'"subject":"', 1)[1].split(b'"', 1)[0].decode()
                    )
                    self.ended[subject] = time.monotonic()


def text(n: int) -> str:
    """About 1,500 characters, different for each n."""
    return " ".join(
        SENTENCES[(n + k) % len(SENTENCES)].format(n=n * 7 + k) for k in range(14)
    )


def submit(here: Stand, port: int, lines: list[dict[str, object]]) -> list[str]:
    """In bulk; returns the ids."""
    headers = {**here.headers, "Content-Type": "application/x-ndjson"}
    body = "".join(json.dumps(line) + "\n" for line in lines)
    answer = requests.post(
        f"http://127.0.0.1:{port}/v1/submissions",
        data=body,
        headers=headers,
        timeout=300,
    )
    return [json.loads(line)["id"] for line in answer.text.splitlines()]


def until_ended(stream: Stream, ids: list[str], patience_s: float = 300) -> float:
    """When the last of them ended, on time.monotonic()."""
    deadline = time.monotonic() + patience_s
    while any(i not in stream.ended for i in ids):
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{sum(i not in stream.ended for i in ids)} of {len(ids)} items did not end"
            )
        time.sleep(0.02)
    return max(stream.ended[i] for i in ids)


def texts(here: Stand, ingest: int, stream: Stream) -> None:
    """Texts in bulk, and Redis' memory per item afterwards."""
    before = here.connection.info("memory")["used_memory"]
    began = time.monotonic()
    ids = submit(
        here, ingest, [{"title": f"Item {n}", "text": text(n)} for n in range(TEXTS)]
    )
    rate = TEXTS / (until_ended(stream, ids) - began)
    row("whole path, texts in bulk", f"{rate:,.0f} items/s", "want 120/s", rate >= 120)
    time.sleep(2)  # let the last jobs' keys go
    each = (here.connection.info("memory")["used_memory"] - before) / TEXTS
    row(
        "store memory per item, all keys",
        f"{each:,.0f} bytes",
        "want < 2,000 (unlabelled mostly)",
        each < 2000,
    )


def latency(here: Stand, ingest: int, stream: Stream) -> None:
    """One item alone, from the POST to the event."""
    waits = []
    for n in range(SINGLES):
        began = time.monotonic()
        url = f"http://127.0.0.1:{ingest}/v1/submissions"
        answer = requests.post(
            url, json={"text": text(50_000 + n)}, headers=here.headers, timeout=30
        )
        waits.append(until_ended(stream, [answer.json()["id"]]) - began)
    p50 = statistics.median(waits) * 1000
    row("latency of one text alone, p50", f"{p50:.0f} ms", "want < 150 ms", p50 < 150)


def singles(here: Stand, ingest: int, stream: Stream) -> None:
    """Texts handed in one by one: a job each."""
    session = requests.Session()
    ids = []
    began = time.monotonic()
    for n in range(300):
        url = f"http://127.0.0.1:{ingest}/v1/submissions"
        ids.append(
            session.post(
                url, json={"text": text(90_000 + n)}, headers=here.headers, timeout=30
            ).json()["id"]
        )
    rate = len(ids) / (until_ended(stream, ids) - began)
    row(
        "whole path, texts as single POSTs",
        f"{rate:,.0f} items/s",
        "want 40/s",
        rate >= 40,
    )


def pages(here: Stand, ingest: int, stream: Stream, bodies: list[bytes]) -> None:
    """Real pages from a local server, and the share of CPU time that is extraction and classification."""
    with serving(lambda _, n: bodies[n % len(bodies)]) as port:
        began = time.monotonic()
        cpu = here.cpu_s()
        ids = submit(
            here,
            ingest,
            [{"url": f"http://127.0.0.1:{port}/page/{n}"} for n in range(PAGES)],
        )
        rate = PAGES / (until_ended(stream, ids) - began)
        spent = (here.cpu_s() - cpu) / PAGES
    row("whole path, real pages", f"{rate:,.1f} pages/s", "want 25/s", rate >= 25)
    share = _cpu_of_the_work(bodies) / spent
    row(
        "  of its CPU time, extraction and classification",
        f"{share:.0%}",
        "want half",
        share >= 0.5,
    )


def _cpu_of_the_work(bodies: list[bytes]) -> float:
    """Seconds of CPU per page in extraction and classification alone, in this process."""
    classifier = Classifier.load()

    def once(body: bytes) -> None:
        try:
            found = extract(
                body, media_type="text/html", charset=None, url="http://127.0.0.1/a"
            )
        except ExtractError:
            return
        classifier.classify(found.title, found.text, found.language)

    once(bodies[0])  # what libraries load at first use
    began = time.process_time()
    for n in range(PAGES):
        once(bodies[n % len(bodies)])
    return (time.process_time() - began) / PAGES


def load_pages(folder: Path) -> list[bytes]:
    """Return saved pages, packed or not."""
    chosen = folder if folder.is_dir() else OWN_PAGES
    paths = sorted(
        p for p in chosen.iterdir() if p.name.endswith((".html", ".html.gz"))
    )
    return [
        gzip.decompress(p.read_bytes()) if p.suffix == ".gz" else p.read_bytes()
        for p in paths
    ]


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--html-dir", type=Path, default=EVALUATION_PAGES)
    bodies = load_pages(parser.parse_known_args()[0].html_dir)
    with stand(host_concurrency=32) as here:
        ingest = free_port()
        api = free_port()
        here.start("services.ingest.web", "--port", str(ingest))
        here.start("services.api.web", "--port", str(api))
        here.start("services.api.read_model.projector")
        here.start("services.classifier.fetcher")
        for _ in range(WORKERS):
            here.start("services.classifier.worker")
        wait_for_port(ingest)
        wait_for_port(api)
        stream = Stream(here, api)
        stream.start()
        warm = submit(
            here, ingest, [{"text": "A first text, so that everything is loaded. " * 4}]
        )
        until_ended(stream, warm)
        latency(here, ingest, stream)
        texts(here, ingest, stream)
        singles(here, ingest, stream)
        pages(here, ingest, stream, bodies)


if __name__ == "__main__":
    main()
