"""`make bench`: every question, one after the other, so that each has the machine for itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

QUESTIONS = (
    "bench_append", "bench_submit", "bench_path", "bench_collect", "bench_replay", "bench_stream",
    "bench_waiting", "bench_extraction", "bench_classify", "bench_link",
)  # fmt: skip
SAVED_PAGES = Path("../shared/eval/extraction")  # real pages, where they are at hand


def arguments(name: str) -> list[str]:
    """Return what a question needs to be told."""
    if name != "bench_extraction":
        return []
    gold = SAVED_PAGES / "gold.jsonl"
    return [
        "--gold",
        str(gold),
        "--html-dir",
        str(SAVED_PAGES),
        "--output",
        "/dev/null",
        "--repeat",
        "1",
    ]


def main() -> int:
    """Run all, or those named on the command line; exit code 1 when one could not be measured."""
    failed = []
    for name in sys.argv[1:] or QUESTIONS:
        if subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *arguments(name)], check=False
        ).returncode:
            failed.append(name)
    if failed:
        print(f"could not be measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
