"""Run benchmarks of this checkout and of another one in turns, and print both figures.

usage: python -m benchmarks.compare ../other [--python ../other/.venv/bin/python]
           [--rounds 2] [append classify ...]

In turns, because a machine's clock, caches and disk change over minutes. Of each figure
the median over the rounds is printed. Rows that only one checkout prints stand alone.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
QUESTIONS = (
    "append",
    "submit",
    "path",
    "replay",
    "stream",
    "extraction",
    "classify",
    "link",
)
LINK_SIZES = ("1000", "10000")  # incidents; 100,000 take minutes to fill
TIMEOUT_S = 900
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_VERDICT = re.compile(r"\s+(?:ok|SHORT)?\s*$")

Figures = dict[str, list[list[float]]]  # row without its numbers -> numbers by round


def command(python: Path, question: str) -> list[str]:
    """Return the command of one benchmark; its folder is the checkout."""
    if question == "link":
        return [str(python), "-m", "benchmarks.bench_link", *LINK_SIZES]
    return [str(python), "-m", "benchmarks", f"bench_{question}"]


def run(checkout: Path, python: Path, question: str) -> list[str]:
    """Run one benchmark and return its rows; say so on stderr if it fails."""
    done = subprocess.run(
        command(python, question),
        cwd=checkout,
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        print(f"{checkout.name}: {question} failed", file=sys.stderr)
    return [line for line in done.stdout.splitlines() if line.strip()]


def add(figures: Figures, rows: Iterable[str]) -> None:
    """Add the numbers of each row to those of the rounds before."""
    for row in rows:
        numbers = [float(n.replace(",", "")) for n in _NUMBER.findall(row)]
        figures[_NUMBER.sub("#", _VERDICT.sub("", row))].append(numbers)


def medians(rounds: list[list[float]]) -> str:
    """Return the medians of a row's numbers, separated by blanks."""
    middles = [statistics.median(numbers) for numbers in zip(*rounds, strict=True)]
    return " ".join(f"{middle:,.4g}" for middle in middles)


def compare(pairs: list[tuple[Path, Path]], question: str, rounds: int) -> None:
    """Run one benchmark in all checkouts, in turns, and print what they measured."""
    found: list[Figures] = [defaultdict(list) for _ in pairs]
    for turn in range(rounds):
        order = list(zip(pairs, found, strict=True))
        for (checkout, python), figures in order[:: -1 if turn % 2 else 1]:
            add(figures, run(checkout, python, question))
    print(f"== {question}", flush=True)
    for row in dict.fromkeys(row for figures in found for row in figures):
        print(row.strip())
        for (checkout, _), figures in zip(pairs, found, strict=True):
            if row in figures:
                print(f"    {checkout.name:<24} {medians(figures[row])}", flush=True)


def main() -> None:
    """Compare the questions named as arguments, else all of QUESTIONS."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=Path, help="the other checkout")
    parser.add_argument("--python", type=Path, help="its interpreter")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("questions", nargs="*", default=QUESTIONS)
    arguments = parser.parse_args()
    other = arguments.other.resolve()
    python = (arguments.python or other / ".venv/bin/python").absolute()
    pairs = [(HERE, Path(sys.executable).absolute()), (other, python)]
    for question in arguments.questions or QUESTIONS:
        compare(pairs, question, arguments.rounds)


if __name__ == "__main__":
    main()
