"""`make gate`: refuse a model that is worse on the validation texts than the last one.

Validation texts are real, labelled by two blind readers, and never teach. The gate
reads their stored feature counts, so it needs no text.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from services.classifier.labelling.classifier import MODEL_FOLDER
from services.classifier.labelling.features import weighed
from services.classifier.labelling.lexicon import Lexicon
from services.classifier.labelling.model_file import (
    LANGUAGES,
    LEXICON_FILE,
    WEIGHTS_FILE,
    Weights,
    load,
)
from services.classifier.labelling.scoring import Scorer
from services.classifier.training.calibrating import assigned, probabilities
from services.classifier.training.figures import Figures, measure
from services.classifier.training.fitting import Examples, Flags, Floats, prepare

RECORD_FILE = "validation_figures.json"
# Some 200 texts a language: one of them moves the mean F1 by about 0.005.
TOLERANCE = 0.015


def validate(model: Weights, examples: Examples) -> dict[str, Figures]:
    """Return the figures on the validation texts of each language."""
    raw = Scorer(model).of_features(weighed(examples.counts))
    return measure_languages(model, examples, raw, examples.validating)


def measure_languages(
    model: Weights, examples: Examples, raw: Floats, chosen: Flags
) -> dict[str, Figures]:
    """Return the figures of each language on the chosen texts.

    `raw` are scores, texts x labels; `chosen` has a flag per text.
    """
    found = {}
    for language in LANGUAGES:
        rows = chosen & (examples.languages == language)
        languages = examples.languages[rows]
        probability = probabilities(raw[rows], languages, model.decisions)
        found[language] = measure(
            assigned(probability, languages, model.decisions),
            probability,
            examples.wanted[rows],
            examples.doubted[rows],
        )
    return found


def worse(new: dict[str, float], recorded: dict[str, float]) -> list[str]:
    """Return what fell by more than the tolerance, as lines to show."""
    return [
        f"{name}: {new.get(name, 0.0):.3f}, was {before:.3f}, may fall by {TOLERANCE}"
        for name, before in sorted(recorded.items())
        if new.get(name, 0.0) < before - TOLERANCE
    ]


def means_of(figures: dict[str, Figures]) -> dict[str, float]:
    """Return the mean F1 of each language, strict and lenient."""
    strict = {f"{name}/strict": round(one.strict, 4) for name, one in figures.items()}
    lenient = {
        f"{name}/lenient": round(one.lenient, 4) for name, one in figures.items()
    }
    return strict | lenient


def main(arguments: list[str] | None = None) -> int:
    """Return 1 if the model is refused, else 0."""
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
    lexicon = Lexicon.load(MODEL_FOLDER / LEXICON_FILE)
    figures = validate(load(options.model / WEIGHTS_FILE), prepare([], lexicon))
    new = means_of(figures)
    print(*(f"{name} {value:.3f}" for name, value in sorted(new.items())), sep="\n")
    if options.record:
        options.recorded.write_text(
            json.dumps(new, indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
        return 0
    refused = worse(new, json.loads(options.recorded.read_text(encoding="utf-8")))
    print(*refused, sep="\n", file=sys.stderr)
    print("gate: refused" if refused else "gate: passed")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
