"""Write the model card: words from card_template.md, figures from the training run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template

import numpy as np

from incidentwire.labels import LABELS
from services.classifier.labelling.model_file import LANGUAGES, Weights
from services.classifier.training import calibrating, fitting
from services.classifier.training.ablation import (
    EVERYTHING,
    Result,
    purpose_of,
    read_results,
)
from services.classifier.training.figures import Figures
from services.classifier.training.fitting import Examples, Flags, Floats
from services.classifier.training.gate import measure_languages, validate

TEMPLATE_FILE = Path(__file__).parent / "card_template.md"
CARD_FILE = "MODEL_CARD.md"


def card(model: Weights, examples: Examples, raw: Floats) -> str:
    """Return the card. `raw` are the scores of the real texts by cross-validation."""
    parts = {
        "version": model.version,
        "features": f"{len(model.ids):,}",
        "data": _data(examples),
        "written_weight": str(fitting.WRITTEN_WEIGHT),
        "oblique_weight": str(fitting.OBLIQUE_WEIGHT),
        "doubted_weight": str(fitting.DOUBTED_WEIGHT),
        "association_power": str(fitting.ASSOCIATION_POWER),
        "cross_validation": _figures(
            measure_languages(model, examples, raw, examples.real)
        ),
        "others": _figures(measure_languages(model, examples, raw, examples.others)),
        "validation": _figures(validate(model, examples)),
        "decisions": _decisions(model),
        "reviewed_share": " and ".join(
            f"{share:.0%} ({language})".replace("%", " %")
            for language, share in calibrating.REVIEWED_SHARE.items()
        ),
        "ablation": _ablation(read_results()),
    }
    return Template(TEMPLATE_FILE.read_text(encoding="utf-8")).substitute(parts)


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are numbers."""
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *lines))


def _data(examples: Examples) -> str:
    lines = []
    groups = {
        "written": examples.written,
        "real, teach": examples.real,
        "real, teach only": examples.others,
        "real, validate": examples.validating,
    }
    for language in LANGUAGES:
        for name, rows in groups.items():
            inside = rows & (examples.languages == language)
            lines.append([f"{language}, {name}", *_counts(examples, inside)])
    return table(["", "texts", *LABELS, "none", "publishers"], lines)


def _counts(examples: Examples, rows: Flags) -> list[str]:
    wanted = examples.wanted[rows]
    publishers = len(np.unique(examples.publishers[rows]))
    numbers = [
        len(wanted),
        *wanted.sum(axis=0),
        (~wanted.any(axis=1)).sum(),
        publishers,
    ]
    return [str(int(number)) for number in numbers]


def _figures(figures: dict[str, Figures]) -> str:
    lines = []
    for language, one in figures.items():
        lines += [
            [
                f"{language} {label}",
                str(own.positives),
                f"{own.precision:.2f}",
                f"{own.recall:.2f}",
                f"{own.strict:.2f}",
                f"{own.lenient:.2f}",
                f"{own.calibration_error:.3f}",
            ]
            for label, own in one.labels.items()
        ]
        strict, lenient = (
            f"**{mean:.3f}** [{low:.2f}, {high:.2f}]"
            for mean, (low, high) in (
                (one.strict, one.strict_interval),
                (one.lenient, one.lenient_interval),
            )
        )
        lines.append(
            [f"**{language} mean**", str(one.texts), "", "", strict, lenient, ""]
        )
    head = ["", "positives", "precision", "recall", "strict F1", "lenient F1", "ECE"]
    return table(head, lines)


def _ablation(results: Sequence[Result]) -> str:
    """Return what the loss of the own language rises by without each part, in 1/1000."""
    lines = []
    for one in results:
        in_name = [language for language in LANGUAGES if f"{language}_" in one.part]
        if one.language not in (in_name or LANGUAGES) or one.part == EVERYTHING:
            continue
        low, high = one.interval
        lines.append(
            [
                f"{one.part} ({one.language})",
                str(one.rows),
                purpose_of(one.part),
                f"{one.precision:.3f}",
                f"{one.gain * 1000:+.2f} [{low * 1000:+.2f}, {high * 1000:+.2f}]",
            ]
        )
    head = ["left out", "rows", "what it is for", "mean AP", "rise of log loss x 1000"]
    return table(head, lines)


def _decisions(model: Weights) -> str:
    lines = [
        [
            f"{language} {label}",
            f"{one.threshold:.2f}",
            f"{one.low:.2f} – {one.high:.2f}",
        ]
        for language, decisions in model.decisions.items()
        for label, one in decisions.items()
    ]
    return table(["", "threshold", "review between"], lines)
