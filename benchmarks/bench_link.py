"""How fast does a mention find its incident, and what does an open incident cost the linker in memory?

usage: python benchmarks/bench_link.py [incidents ...]       default 1000 10000 100000

Fingerprints are synthetic: words follow Zipf's law over 400,000 words, each topic has names and words of its own
that its mentions share in part, days run on. The linker folds events that are never appended, so its memory is
all that it holds: the state of incidents and items, versions, and the index. Limits to hold at 100,000 open incidents:
400 mentions/s on one core (decode, decide, record), 4 kB per incident with all its mentions.
"""

from __future__ import annotations

import datetime
import gc
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.stand import stand
from incidentwire import events as e
from incidentwire.incidents.state import incident_id
from incidentwire.labels import MentionRef
from incidentwire.log import codec
from incidentwire.log.event_log import EventLog
from incidentwire.log.recorded_event import RecordedEvent
from services.classifier.linker import Linker
from services.classifier.linking.fingerprints import (
    SIGNATURE_SLOTS,
    Fingerprint,
    encode,
)
from services.classifier.linking.merge_rule import LinkIndex, decide, decode

WORDS = 400_000
# Terms of a mention: the language's, the topic's own, and names among the latter.
COMMON = 60
OWN = 46
NAMES = 16
SHARE = 0.85  # of a topic's own terms, in each of its mentions
SECOND_MENTION = 0.5  # chance of a second mention, and again of a third …
MEASURED = 2_000
GOAL_PER_S = 400
GOAL_BYTES = 4_000


def rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf(
        "SC_PAGE_SIZE"
    )


class News:
    """Draw topics and their mentions, the same on every run."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(7)
        ranks = np.arange(1, WORDS + 1)
        self.cumulative = np.cumsum(1.0 / ranks) / np.sum(1.0 / ranks)
        self.codes = self.random.permutation(1 << 24)[:WORDS].astype(np.uint32)

    def words(self, n: int, rare: bool = False) -> np.ndarray:
        drawn = np.searchsorted(self.cumulative, self.random.random(n))
        # a topic's own words are not among the thousand commonest
        return (
            np.where(drawn < 1000, self.random.integers(1000, WORDS, n), drawn)
            if rare
            else drawn
        )

    def topic(self) -> np.ndarray:
        return self.words(OWN, rare=True)

    def mention(self, topic: np.ndarray, day: int) -> Fingerprint:
        own = topic[self.random.random(OWN) < SHARE]
        own = np.append(own, self.words(OWN - len(own), rare=True))
        names = np.unique(self.codes[own[:NAMES]])
        words = self.codes[np.append(own[NAMES:], self.words(COMMON))]
        words = np.setdiff1d(words, names)
        return Fingerprint(
            day=day,
            hashes=np.concatenate((words, names)),
            weights=self.random.integers(4, 12, len(words) + len(names)).astype(
                np.uint8
            ),
            kinds=np.repeat(np.array([0, 1], dtype=np.uint8), [len(words), len(names)]),
            signature=self.random.integers(0, 0xFFFF, SIGNATURE_SLOTS).astype(
                np.uint16
            ),
        )


def fill(
    linker: Linker,
    news: News,
    topics: list[np.ndarray],
    incidents: list[str],
    size: int,
) -> int:
    """Grow the linker to `size` incidents; return the number of mentions."""
    mentions = 0
    while len(topics) < size:
        day = 10_000 + len(topics) // 50
        topic = news.topic()
        topics.append(topic)
        incidents.append(incident_id(f"i_{mentions:020}", "m0"))
        first = True
        while first or news.random.random() < SECOND_MENTION:
            item = f"i_{mentions:020}"
            mentions += 1
            linker.take(
                link(
                    linker.position,
                    item,
                    incidents[-1],
                    encode(news.mention(topic, day)),
                    first,
                )
            )
            linker.known.pending_items.clear()  # the second event was the answer
            first = False
    return mentions


def link(
    position: int, item: str, incident: str, encoded: str, opens: bool
) -> list[RecordedEvent]:
    """Return the events of an item with one mention that joins or opens an incident."""
    mention = MentionRef(
        id="m0", start=0, end=1000, labels=("data_leak",), fingerprint=encoded
    )
    subjects: list[tuple[str, e.Event]] = [
        (
            item,
            e.ItemClassified(
                text_digest="0" * 64,
                model="benchmark",
                scores={},
                labels=("data_leak",),
                evidence={},
                mentions=(mention,),
            ),
        ),
        *(
            [
                (
                    incident,
                    e.IncidentOpened(item=item, mention="m0", labels=("data_leak",)),
                )
            ]
            if opens
            else []
        ),
        (
            incident,
            e.IncidentItemLinked(
                item=item, mention="m0", score=0.5, labels=("data_leak",)
            ),
        ),
    ]
    return [
        RecordedEvent(
            position=position + n,
            type=event.type,
            subject=subject.encode().decode(),  # each entry of a log brings its own string
            time_ms=0,
            data=codec.encode(event),
        )
        for n, (subject, event) in enumerate(subjects, start=1)
    ]


def measure(
    index: LinkIndex, news: News, topics: list[np.ndarray], incidents: list[str]
) -> tuple[float, float, float]:
    """Return CPU seconds per mention, and the shares of old and new topics decided rightly."""
    size = len(topics)
    today = 10_000 + len(topics) // 50
    old = news.random.integers(0, size, MEASURED // 2)
    known = [
        (incidents[n], encode(news.mention(topics[n], 10_000 + int(n) // 50)))
        for n in old
    ]
    fresh = [
        ("", encode(news.mention(news.topic(), today)))
        for _ in range(MEASURED - len(known))
    ]
    right = {True: 0, False: 0}
    started = time.process_time()
    for n, (wanted, encoded) in enumerate(known + fresh):
        mention = decode(encoded)
        decision = decide(mention, index)
        right[bool(wanted)] += (decision.incident or "") == wanted
        index.add(
            decision.incident or f"new_{size}_{n}", f"measured_{size}_{n}#m0", mention
        )
    seconds = (time.process_time() - started) / MEASURED
    return seconds, right[True] / len(known), right[False] / len(fresh)


def main(sizes: list[int]) -> None:
    """Print a row per size."""
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {datetime.date.today()}"
    )
    print(
        f"incidents  mentions  ms/mention  mentions/s (goal {GOAL_PER_S})"
        f"  linker's bytes/incident (goal < {GOAL_BYTES})  found  new"
    )
    with stand() as here:
        for size in sizes:
            measure_size(EventLog(here.connection), size)


def measure_size(log: EventLog, size: int) -> None:
    """Fill a linker and print its row; `log` stays empty."""
    news = News()
    topics = list[np.ndarray]()
    incidents = list[str]()
    linker = Linker(log)
    decide(news.mention(news.topic(), 1), linker.index)  # tables are built once
    gc.collect()
    before = rss_bytes()
    mentions = fill(linker, news, topics, incidents, size)
    gc.collect()
    held_here = sum(topic.nbytes + 112 for topic in topics)
    held_here += sum(map(sys.getsizeof, incidents))
    per_incident = (rss_bytes() - before - held_here) / size
    seconds, found, opened = measure(linker.index, news, topics, incidents)
    print(
        f"{size:9}  {mentions:8}  {seconds * 1e3:10.2f}  {1 / seconds:21.0f}  {per_incident:37.0f}"
        f"  {found:5.3f}  {opened:.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [1_000, 10_000, 100_000])
