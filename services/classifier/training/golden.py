"""The golden set: rows that no model is trained on, so that two models can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from incidentwire.labels import LABELS
from services.classifier.labelling.classifier import Classifier
from services.classifier.training.corpus import CorpusRow

GOLDEN_FILE = Path(__file__).parent / "golden_ids.txt"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Precision, recall and F1 of one label in one language; `rows` says how many positives that rests on."""

    precision: float
    recall: float
    f1: float
    rows: int


def golden_ids(file: Path = GOLDEN_FILE) -> frozenset[str]:
    """The ids in the file, one a line; lines that begin with # are comments."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return frozenset(
        line.strip() for line in lines if line.strip() and not line.startswith("#")
    )


def split(
    rows: Sequence[CorpusRow], held_out: frozenset[str]
) -> tuple[list[CorpusRow], list[CorpusRow]]:
    """Rows to train on, golden rows."""
    return [row for row in rows if row.id not in held_out], [
        row for row in rows if row.id in held_out
    ]


def measure(classifier: Classifier, rows: Sequence[CorpusRow]) -> dict[str, Figures]:
    """Figures per "language/label", and "language/macro" with the mean F1."""
    figures: dict[str, Figures] = {}
    for language in sorted({row.lang for row in rows}):
        inside = [row for row in rows if row.lang == language]
        said = [
            frozenset(classifier.classify(row.title, row.text).labels) for row in inside
        ]
        for label in LABELS:
            pairs = [
                (label in row.labels, label in answer)
                for row, answer in zip(inside, said, strict=True)
            ]
            figures[f"{language}/{label}"] = _figures(pairs)
        own = [figures[f"{language}/{label}"] for label in LABELS]
        figures[f"{language}/macro"] = Figures(
            precision=sum(one.precision for one in own) / len(own),
            recall=sum(one.recall for one in own) / len(own),
            f1=sum(one.f1 for one in own) / len(own),
            rows=sum(one.rows for one in own),
        )
    return figures


def _figures(pairs: Sequence[tuple[bool, bool]]) -> Figures:
    right = sum(wanted and said for wanted, said in pairs)
    said_so = sum(said for _, said in pairs)
    wanted_so = sum(wanted for wanted, _ in pairs)
    return Figures(
        precision=right / said_so if said_so else 0.0,
        recall=right / wanted_so if wanted_so else 0.0,
        f1=2 * right / (said_so + wanted_so) if said_so + wanted_so else 0.0,
        rows=wanted_so,
    )
