"""`make bench`: every question, one after the other, so that each has the machine for itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

QUESTIONS = (
    "bench_append",
    "bench_submit",
    "bench_path",
    "bench_collect",
    "bench_replay",
    "bench_stream",
    "bench_waiting",
    "bench_bodies",
    "bench_full_store",
    "bench_notify",
    "bench_pages",
    "bench_search_quality",
    "bench_extraction",
    "bench_classify",
    "bench_link",
)
SAVED_PAGES = Path("../shared/eval/extraction")  # real pages, where they are at hand


def arguments(name: str) -> list[str]:
    """Return the arguments of a question."""
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


def missing_data(name: str) -> Path | None:
    """Return the path of a question's data if it is not there."""
    gold = SAVED_PAGES / "gold.jsonl"
    return gold if name == "bench_extraction" and not gold.exists() else None


def main() -> int:
    """Run all questions, or those named as arguments; return 1 if one failed.

    Name and skip a question whose data is not there.
    """
    failed = []
    for name in sys.argv[1:] or QUESTIONS:
        missing = missing_data(name)
        if missing:
            print(f"{name}: not measured. It needs saved pages with gold in {missing}.")
            continue
        command = [sys.executable, "-m", f"benchmarks.{name}", *arguments(name)]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"could not be measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
