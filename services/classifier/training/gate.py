"""`make gate`: refuses a model that is worse on the golden set than the figures recorded for the last release."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from services.classifier.labelling.classifier import MODEL_FOLDER, Classifier
from services.classifier.training.corpus import corpus_files, read_rows
from services.classifier.training.golden import Figures, golden_ids, measure, split

RECORD_FILE = "golden_figures.json"
# One row in the golden set moves a label's F1 by about 0.02, the mean of a language by about 0.005.
MACRO_TOLERANCE = 0.01
LABEL_TOLERANCE = 0.05


def worse(new: dict[str, float], recorded: dict[str, float]) -> list[str]:
    """What fell by more than the tolerance, as lines to show; empty when the model may go out."""
    lines = []
    for name, before in sorted(recorded.items()):
        allowed = MACRO_TOLERANCE if name.endswith("/macro") else LABEL_TOLERANCE
        now = new.get(name, 0.0)
        if now < before - allowed:
            lines.append(
                f"{name}: F1 {now:.3f}, was {before:.3f}, may fall by {allowed:.2f}"
            )
    return lines


def f1_of(figures: dict[str, Figures]) -> dict[str, float]:
    return {name: round(one.f1, 4) for name, one in figures.items()}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model", type=Path, default=MODEL_FOLDER, help="folder of the model to judge"
    )
    parser.add_argument(
        "--recorded",
        type=Path,
        default=MODEL_FOLDER / RECORD_FILE,
        help="figures of the last release",
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="write the figures of this model as the new record",
    )
    options = parser.parse_args(arguments)
    _, golden = split(read_rows(corpus_files()), golden_ids())
    new = f1_of(measure(Classifier.load(options.model), golden))
    print(*(f"{name} {value:.3f}" for name, value in sorted(new.items())), sep="\n")
    if options.record:
        options.recorded.write_text(
            json.dumps(new, indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
        return 0
    refused = worse(new, json.loads(options.recorded.read_text(encoding="utf-8")))
    print(*refused, sep="\n", file=sys.stderr)
    print("gate: refused" if refused else f"gate: passed on {len(golden)} rows")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
