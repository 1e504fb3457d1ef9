"""How fast does a mention find its incident, and what does an open incident cost the linker in memory?

usage: python benchmarks/bench_link.py [incidents ...]       default 1000 10000 100000

Fingerprints are synthetic: words follow Zipf's law over 400,000 words, each happening has names and words of its own
that its mentions share in part, days run on. The linker folds the events of a log that nobody stores, so its memory is
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
import redis

from incidentwire import events as e
from incidentwire.incidents.state import incident_id
from incidentwire.labels import MentionRef
from incidentwire.log import codec
from incidentwire.log.event_log import EventLog
from incidentwire.log.recorded_event import RecordedEvent
from services.classifier.linker import Linker
from services.classifier.linking.decide import LinkIndex, decide, decode
from services.classifier.linking.fingerprints import (
    SIGNATURE_SLOTS,
    Fingerprint,
    encode,
)

WORDS = 400_000
COMMON, OWN, NAMES = (
    60,
    46,
    16,
)  # terms of a mention: the language's, the happening's, and names among those
SHARE = 0.85  # of what is a happening's own, in each of its mentions
SECOND_MENTION = (
    0.5  # chance of an incident to have a second mention, and of that to have a third …
)
MEASURED = 2_000
GOAL_PER_S, GOAL_BYTES = 400, 4_000


def rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf(
        "SC_PAGE_SIZE"
    )


class News:
    """IncidentProjection and their mentions, the same on every run."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(7)
        ranks = np.arange(1, WORDS + 1)
        self.cumulative = np.cumsum(1.0 / ranks) / np.sum(1.0 / ranks)
        self.codes = self.random.permutation(1 << 24)[:WORDS].astype(np.uint32)

    def words(self, n: int, rare: bool = False) -> np.ndarray:
        drawn = np.searchsorted(self.cumulative, self.random.random(n))
        # a happening's own words are not among the thousand commonest
        return (
            np.where(drawn < 1000, self.random.integers(1000, WORDS, n), drawn)
            if rare
            else drawn
        )

    def happening(self) -> np.ndarray:
        return self.words(OWN, rare=True)

    def mention(self, happening: np.ndarray, day: int) -> Fingerprint:
        own = happening[self.random.random(OWN) < SHARE]
        own = np.append(own, self.words(OWN - len(own), rare=True))
        names, words = (
            np.unique(self.codes[own[:NAMES]]),
            self.codes[np.append(own[NAMES:], self.words(COMMON))],
        )
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
    happenings: list[np.ndarray],
    incidents: list[str],
    size: int,
) -> int:
    """Grows the linker to `size` incidents; answers with the number of mentions."""
    mentions = 0
    while len(happenings) < size:
        day, happening = 10_000 + len(happenings) // 50, news.happening()
        happenings.append(happening)
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
                    encode(news.mention(happening, day)),
                    first,
                )
            )
            linker.known.pending_items.clear()  # it is answered
            first = False
    return mentions


def link(
    position: int, item: str, incident: str, encoded: str, opens: bool
) -> list[RecordedEvent]:
    """Return what the log says of an item with one mention that comes to an incident."""
    mention = MentionRef(
        id="m0", start=0, end=1000, labels=("data_leak",), fingerprint=encoded
    )
    said: list[tuple[str, e.Event]] = [
        (item, e.ItemClassified(
            text_digest="0" * 64, model="benchmark", scores={}, labels=("data_leak",), evidence={}, mentions=(mention,),
        )),
        *([(incident, e.IncidentOpened(item=item, mention="m0", labels=("data_leak",)))] if opens else []),
        (incident, e.IncidentItemLinked(item=item, mention="m0", score=0.5, labels=("data_leak",))),
    ]  # fmt: skip
    return [
        RecordedEvent(
            position=position + n,
            type=event.type,
            subject=subject.encode().decode(),  # each entry of a log brings its own string
            time_ms=0,
            data=codec.encode(event),
        )
        for n, (subject, event) in enumerate(said, start=1)
    ]


def measure(
    index: LinkIndex, news: News, happenings: list[np.ndarray], incidents: list[str]
) -> tuple[float, float, float]:
    """Seconds of this process per mention, and how many of old and of new happenings were decided rightly."""
    size, today = len(happenings), 10_000 + len(happenings) // 50
    old = news.random.integers(0, size, MEASURED // 2)
    known = [
        (incidents[n], encode(news.mention(happenings[n], 10_000 + int(n) // 50)))
        for n in old
    ]
    fresh = [
        ("", encode(news.mention(news.happening(), today)))
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
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {datetime.date.today()}"
    )
    print(
        f"incidents  mentions  ms/mention  mentions/s (goal {GOAL_PER_S})"
        f"  linker's bytes/incident (goal < {GOAL_BYTES})  found  new"
    )
    for size in sizes:
        news = News()
        happenings, incidents = list[np.ndarray](), list[str]()
        linker = Linker(
            EventLog(redis.Redis())
        )  # never asked: what the log says is handed to it
        decide(news.mention(news.happening(), 1), linker.index)  # tables are built once
        gc.collect()
        before = rss_bytes()
        mentions = fill(linker, news, happenings, incidents, size)
        gc.collect()
        held_here = sum(h.nbytes + 112 for h in happenings) + sum(
            map(sys.getsizeof, incidents)
        )
        per_incident = (rss_bytes() - before - held_here) / size
        seconds, found, opened = measure(linker.index, news, happenings, incidents)
        print(
            f"{size:9}  {mentions:8}  {seconds * 1e3:10.2f}  {1 / seconds:21.0f}  {per_incident:37.0f}"
            f"  {found:5.3f}  {opened:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main([int(a) for a in sys.argv[1:]] or [1_000, 10_000, 100_000])
