"""How fast can the whole log be had again: as NDJSON over HTTP, and as a read model grown from nothing?"""

from __future__ import annotations

import http.client
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis

from benchmarks.stand import Stand, free_port, row, stand, wait_for_port
from incidentwire.archive import Archive
from incidentwire.documents import StoredDocument
from incidentwire.events import ItemClassified, ItemFetched, ItemSubmitted
from incidentwire.labels import MentionRef
from incidentwire.log.event_log import PAGE, STREAM, AppendRequest, EventLog
from services.api.read_model.projector import Projector

ITEMS = 6000
WORDS = 450  # of a usual article
WANT_REPLAY = 15_000
WANT_REBUILD = 3_000


def fill(here: Stand) -> int:
    """Classified items as the worker makes them: three events and a kept document each. Returns the last position."""
    chance = random.Random(7)
    vocabulary = [
        "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 11)))
        for _ in range(30_000)
    ]
    archive = Archive(here.settings.archive)
    documents = []
    for n in range(ITEMS):
        words = (
            vocabulary[min(29_999, int(chance.paretovariate(0.6)))]
            for _ in range(WORDS)
        )
        documents.append(
            StoredDocument(
                title=f"Article number {n}", text=" ".join(words), language="en"
            )
        )
    with ThreadPoolExecutor(8) as threads:
        digests = list(
            threads.map(
                lambda n: archive.put(f"i_{n}", documents[n].to_bytes()), range(ITEMS)
            )
        )
    log = EventLog(here.connection)
    last = 0
    for start in range(0, ITEMS, 200):
        units = [
            unit(n, documents[n], digests[n])
            for n in range(start, min(ITEMS, start + 200))
        ]
        last = max(getattr(result, "last", 0) for result in log.append_many(units))
    return last


def unit(n: int, document: StoredDocument, digest: str) -> AppendRequest:
    url = f"https://news.example.org/2026/05/31/an-article-of-usual-length-{n}"
    labelled = n % 3 == 0
    mention = MentionRef(
        id="m0", start=0, end=900, labels=("data_leak",), fingerprint="f" * 400
    )
    classified = ItemClassified(
        text_digest=document.text_digest,
        model="bench-1",
        scores={"data_leak": 0.9, "consent": 0.1, "deepfake": 0.0, "regulation": 0.2},
        labels=("data_leak",) if labelled else (),
        evidence={"data_leak": ((10, 80), (200, 260))} if labelled else {},
        mentions=(mention,) if labelled else (),
        language="en",
    )
    fetched = ItemFetched(
        document_digest=digest,
        text_digest=document.text_digest,
        words=WORDS,
        final_url=url,
        status=200,
        media_type="text/html",
        bytes=80_000,
        page_digest="a" * 64,
        headers_digest="b" * 64,
        site="Example News",
        published="2026-05-31",
        language="en",
        completeness=0.97,
    )
    facts = (ItemSubmitted(url=url, via="bench"), fetched, classified)
    return AppendRequest(events=[(f"i_{n}", fact) for fact in facts])


def raw(connection: redis.Redis) -> float:
    """Events/s of a loop that only reads the stream: what the client library and the store can do."""
    began = time.monotonic()
    count = 0
    position = 0
    page: Any = connection.xrange  # typed for text only
    while rows := page(STREAM, min=f"{position + 1}-0", count=PAGE):
        count += len(rows)
        position = int(rows[-1][0].partition(b"-")[0])
    return count / (time.monotonic() - began)


def replay(here: Stand, port: int, last: int) -> float:
    """Events/s of GET /v1/events as NDJSON, whole."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    began = time.monotonic()
    lines = 0
    connection.request(
        "GET", "/v1/events", headers={**here.headers, "Accept": "application/x-ndjson"}
    )
    answer = connection.getresponse()
    while data := answer.read1(1_000_000):
        lines += data.count(b"\n")
    assert lines == last, f"{lines} of {last} events"
    return lines / (time.monotonic() - began)


def main() -> None:
    """Print both rates, each beside its limit."""
    with stand() as here:
        last = fill(here)
        port = free_port()
        here.start("services.api.web", "--port", str(port))
        wait_for_port(port)
        raw_rate = 0.0
        replay_rate = 0.0
        for _ in range(3):  # in turns
            raw_rate = max(raw_rate, raw(here.connection))
            replay_rate = max(replay_rate, replay(here, port, last))
        limit = f"raw XRANGE loop {raw_rate:,.0f}/s, want {WANT_REPLAY:,}"
        row(
            "replay as NDJSON over HTTP",
            f"{replay_rate:,.0f} events/s",
            limit,
            replay_rate >= WANT_REPLAY,
        )
        projector = Projector(here.settings, here.connection)
        began = time.monotonic()
        assert projector.catch_up() == last
        rate = last / (time.monotonic() - began)
        size = here.settings.read_model.stat().st_size / ITEMS
        projector.close()
        row(
            "read model rebuilt",
            f"{rate:,.0f} events/s",
            f"want {WANT_REBUILD:,}",
            rate >= WANT_REBUILD,
        )
        row(f"  its size per item of {WORDS} words", f"{size:,.0f} bytes", "")


if __name__ == "__main__":
    main()
