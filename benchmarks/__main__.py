"""`make bench`: every question, one after the other, so that each has the machine for itself."""

from __future__ import annotations

import subprocess
import sys

QUESTIONS = (
    "bench_append", "bench_submit", "bench_path", "bench_collect", "bench_replay", "bench_stream",
    "bench_extraction", "bench_classify", "bench_link",
)  # fmt: skip


def main() -> int:
    """Run all, or those named on the command line; exit code 1 when one could not be measured."""
    failed = []
    for name in sys.argv[1:] or QUESTIONS:
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"could not be measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
