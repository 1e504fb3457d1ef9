"""How fast and how well is the extractor? Our pages/s on one core, beside trafilatura's fast setting with metadata
in the same run.

    python benchmarks/bench_extraction.py --gold gold.jsonl --html-dir DIR --output out.jsonl [--repeat 3]

`--gold` rows name an `id`, a file `html` (gzip or not) inside `--html-dir` and the page's `url`. `--output` gets rows
`id,title,text,author,published,language`, and `shortcoming` for who wants to see what would be held back.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from trafilatura import bare_extraction

from services.classifier.extraction.extract import Document, ExtractError, extract

TARGET_RATIO = 1 / 1.2  # not slower than trafilatura by more than a fifth

Pages = list[tuple[str, str, bytes]]  # id, URL, bytes


def read_pages(gold: Path, html_dir: Path) -> Pages:
    """Return the pages that the gold names, in its order. `html` may name its folder too."""
    found: Pages = []
    with gold.open(encoding="utf-8") as lines:
        for row in (json.loads(line) for line in lines if line.strip()):
            path = html_dir / row["html"]
            path = path if path.exists() else html_dir / Path(row["html"]).name
            body = path.read_bytes()
            found.append(
                (
                    row["id"],
                    row.get("url") or "",
                    gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body,
                )
            )
    return found


def ours(url: str, body: bytes) -> Document | None:
    try:
        return extract(body, media_type="text/html", charset=None, url=url)
    except ExtractError:
        return None


def theirs(url: str, body: bytes) -> object:
    return bare_extraction(
        body,
        url=url,
        fast=True,
        include_comments=False,
        include_tables=False,
        with_metadata=True,
    )


def seconds(work: Callable[[str, bytes], object], url: str, body: bytes) -> float:
    """CPU time of this process for one page: what neighbours on the machine take is not counted."""
    started = time.process_time()
    work(url, body)
    return time.process_time() - started


def race(pages: Pages) -> tuple[float, float]:
    """CPU seconds for all pages, ours and theirs. They take turns page by page, and in who goes first: a machine whose
    clock and caches are shared slows both alike."""
    mine = other = 0.0
    for index, (_, url, body) in enumerate(pages):
        if index % 2:
            mine += seconds(ours, url, body)
            other += seconds(theirs, url, body)
        else:
            other += seconds(theirs, url, body)
            mine += seconds(ours, url, body)
    return mine, other


def write(pages: Pages, output: Path) -> Counter[str]:
    """Write the rows; returns how many pages have which shortcoming ("whole" for none)."""
    counts: Counter[str] = Counter()
    with output.open("w", encoding="utf-8") as file:
        for row_id, url, body in pages:
            found = ours(url, body)
            shortcoming = (found.shortcoming or "whole") if found else "unreadable"
            counts[shortcoming] += 1
            row = (
                {"id": row_id, "title": "", "text": ""}
                if found is None
                else {
                    "id": row_id,
                    "title": found.title,
                    "text": found.text,
                    "author": found.author,
                    "published": found.published,
                    "language": found.language,
                    "shortcoming": found.shortcoming,
                }
            )
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gold", type=Path, required=True)
    parser.add_argument("--html-dir", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--repeat", type=int, default=3, help="measured rounds over all pages"
    )
    arguments = parser.parse_args()
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    logging.getLogger("htmldate").setLevel(logging.CRITICAL)
    pages = read_pages(arguments.gold, arguments.html_dir)
    counts = write(
        pages, arguments.output
    )  # also warms both: models and patterns are loaded once a process
    for _, url, body in pages[:10]:
        theirs(url, body)
    rounds = [race(pages) for _ in range(arguments.repeat)]
    ratios = sorted(other / mine for mine, other in rounds)
    mine, other = (
        len(pages) * len(rounds) / sum(times) for times in zip(*rounds, strict=True)
    )
    print(
        f"pages={len(pages)} "
        + " ".join(f"{name}={count}" for name, count in counts.most_common())
    )
    print(f"incidentwire pages_per_s={mine:.1f}")
    print(f"trafilatura fast, with metadata pages_per_s={other:.1f}")
    print(
        f"ratio={mine / other:.2f} rounds={ratios[0]:.2f}..{ratios[-1]:.2f} (at least {TARGET_RATIO:.2f})"
    )


if __name__ == "__main__":
    main()
