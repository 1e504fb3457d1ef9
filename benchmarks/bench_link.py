"""How fast does a mention find its incident, and what does an open incident cost in memory?

usage: python benchmarks/bench_link.py [incidents ...]       default 1000 10000 100000

Fingerprints are synthetic: words follow Zipf's law over 400,000 words, each happening has names and words of its own
that its mentions share in part, days run on. Limits to hold at 100,000 open incidents: 400 mentions/s on one core
(decode, decide, record), 4 kB per incident.
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

from services.classifier.link import LinkIndex, decide, decode
from services.classifier.linking.fingerprints import SIGNATURE_SLOTS, Fingerprint, encode

WORDS = 400_000
COMMON, OWN, NAMES = 60, 46, 16  # terms of a mention: the language's, the happening's, and names among those
SHARE = 0.85  # of what is a happening's own, in each of its mentions
SECOND_MENTION = 0.5  # chance of an incident to have a second mention, and of that to have a third …
MEASURED = 2_000
GOAL_PER_S, GOAL_BYTES = 400, 4_000


def rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class News:
    """Happenings and their mentions, the same on every run."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(7)
        ranks = np.arange(1, WORDS + 1)
        self.cumulative = np.cumsum(1.0 / ranks) / np.sum(1.0 / ranks)
        self.codes = self.random.permutation(1 << 24)[:WORDS].astype(np.uint32)

    def words(self, n: int, rare: bool = False) -> np.ndarray:
        drawn = np.searchsorted(self.cumulative, self.random.random(n))
        # a happening's own words are not among the thousand commonest
        return np.where(drawn < 1000, self.random.integers(1000, WORDS, n), drawn) if rare else drawn

    def happening(self) -> np.ndarray:
        return self.words(OWN, rare=True)

    def mention(self, happening: np.ndarray, day: int) -> Fingerprint:
        own = happening[self.random.random(OWN) < SHARE]
        own = np.append(own, self.words(OWN - len(own), rare=True))
        names, words = np.unique(self.codes[own[:NAMES]]), self.codes[np.append(own[NAMES:], self.words(COMMON))]
        words = np.setdiff1d(words, names)
        return Fingerprint(
            day=day,
            hashes=np.concatenate((words, names)),
            weights=self.random.integers(4, 12, len(words) + len(names)).astype(np.uint8),
            kinds=np.repeat(np.array([0, 1], dtype=np.uint8), [len(words), len(names)]),
            signature=self.random.integers(0, 0xFFFF, SIGNATURE_SLOTS).astype(np.uint16),
        )


def fill(index: LinkIndex, news: News, happenings: list[np.ndarray], size: int) -> int:
    """Grows the index to `size` incidents; answers with the number of mentions."""
    mentions = 0
    while len(happenings) < size:
        number, happening = len(happenings), news.happening()
        happenings.append(happening)
        day = 10_000 + number // 50
        while True:
            mentions += 1
            index.add(f"n_{number:018}", f"i_{mentions}_{number}#m0", news.mention(happening, day))
            if news.random.random() >= SECOND_MENTION:
                break
    return mentions


def measure(index: LinkIndex, news: News, happenings: list[np.ndarray]) -> tuple[float, float, float]:
    """Seconds of this process per mention, and how many of old and of new happenings were decided rightly."""
    size, today = len(happenings), 10_000 + len(happenings) // 50
    old = news.random.integers(0, size, MEASURED // 2)
    known = [(f"n_{n:018}", encode(news.mention(happenings[n], 10_000 + int(n) // 50))) for n in old]
    fresh = [("", encode(news.mention(news.happening(), today))) for _ in range(MEASURED - len(known))]
    right = {True: 0, False: 0}
    started = time.process_time()
    for n, (wanted, encoded) in enumerate(known + fresh):
        mention = decode(encoded)
        decision = decide(mention, index)
        right[bool(wanted)] += (decision.incident or "") == wanted
        index.add(decision.incident or f"new_{size}_{n}", f"measured_{size}_{n}#m0", mention)
    seconds = (time.process_time() - started) / MEASURED
    return seconds, right[True] / len(known), right[False] / len(fresh)


def main(sizes: list[int]) -> None:
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {datetime.date.today()}")
    print("incidents  mentions  ms/mention  mentions/s (goal 400)  bytes/incident (goal < 4000)  found  new")
    for size in sizes:
        news = News()
        happenings: list[np.ndarray] = []
        index = LinkIndex()
        decide(news.mention(news.happening(), 1), index)  # tables are built once
        gc.collect()
        before = rss_bytes()
        mentions = fill(index, news, happenings, size)
        gc.collect()
        per_incident = (rss_bytes() - before - sum(h.nbytes + 112 for h in happenings)) / size
        seconds, found, opened = measure(index, news, happenings)
        print(
            f"{size:9}  {mentions:8}  {seconds * 1e3:10.2f}  {1 / seconds:21.0f}  {per_incident:28.0f}"
            f"  {found:5.3f}  {opened:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main([int(a) for a in sys.argv[1:]] or [1_000, 10_000, 100_000])
