"""Fuzz one target after the other: `python -m tools.fuzz SECONDS [TARGET …]`.

Needs atheris (tools/fuzz/requirements.lock). Each target runs in a process of its own,
from the inputs in tests/fuzz_corpus and on from those that it finds in .fuzz/. A crash
or a slow input is written to .fuzz/TARGET-*; put it into tests/fuzz_corpus/TARGET when it
is mended, so that a test replays it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["incidentwire", "services", "feedparser"]):
    from tools.fuzz.targets import SLOW_S, TARGETS

CORPUS = Path("tests/fuzz_corpus")
FOUND = Path(".fuzz")
MAX_BYTES = 4_096  # of one input
WALL_S = 3 * SLOW_S  # libFuzzer measures wall time, also on a busy machine
MEMORY_MB = 2_048


def main(seconds: str, names: list[str]) -> int:
    """Fuzz each target for so long; return 1 if one of them failed."""
    failed = [name for name in names if _run(seconds, name)]
    if failed:
        print(f"Findings in {FOUND}/ for: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(seconds: str, name: str) -> int:
    print(f"fuzzing {name} for {seconds} s", flush=True)
    command = [sys.executable, "-m", "tools.fuzz", "--one", name, seconds]
    return subprocess.run(command, check=False).returncode


def fuzz(name: str, seconds: str) -> None:
    """Fuzz in this process, which ends with it."""
    found = FOUND / name
    found.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={WALL_S}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-max_len={MAX_BYTES}",
        f"-artifact_prefix={FOUND}/{name}-",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    atheris.Setup(
        [sys.argv[0], *options, str(found), str(CORPUS / name)], TARGETS[name]
    )
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        fuzz(sys.argv[2], sys.argv[3])
    else:
        sys.exit(main(sys.argv[1], sys.argv[2:] or list(TARGETS)))
