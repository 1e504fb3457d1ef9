"""What each kind of features, and each file of the corpus, is worth.

Mean F1 on real texts by cross-validation over publishers, at thresholds fitted to the
same scores, without one part at a time:
python -m services.classifier.training.ablation [--files]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from incidentwire.labels import LABELS
from services.classifier.labelling import features
from services.classifier.labelling.classifier import MODEL_FOLDER
from services.classifier.labelling.lexicon import Lexicon
from services.classifier.labelling.model_file import LANGUAGES, LEXICON_FILE
from services.classifier.training.calibrating import assigned, decide, f1, probabilities
from services.classifier.training.corpus import corpus_files, read_rows
from services.classifier.training.fitting import Examples, Floats, Trainer, prepare

ALL = range(len(features.KINDS))
FAMILIES = {
    "words": (features.WORD, features.TITLE_WORD),
    "concepts": (
        features.CONCEPT,
        features.LEAD_CONCEPT,
        features.TITLE_CONCEPT,
        features.CONCEPT_SHARE,
    ),
    "signals": (
        features.SIGNAL,
        features.EARLY_SIGNAL,
        features.LEAD_SIGNAL,
        features.TITLE_SIGNAL,
        features.SIGNAL_SHARE,
        features.SIGNAL_COUNT,
    ),
}


def without_families(examples: Examples) -> Iterator[tuple[str, Floats]]:
    """Yield the raw scores of everything, and without each family of features."""
    trainer = Trainer(examples)
    teaching = examples.written | examples.real
    yield "everything", trainer.out_of_fold(teaching)
    for name, kinds in FAMILIES.items():
        rest = [kind for kind in ALL if kind not in kinds]
        yield f"without {name}", trainer.out_of_fold(teaching, rest)


def without_files(examples: Examples) -> Iterator[tuple[str, Floats]]:
    """Yield the raw scores without each file of the corpus."""
    trainer = Trainer(examples)
    start = 0
    for file in corpus_files():
        end = start + len(read_rows([file]))
        teaching = examples.written | examples.real
        teaching[start:end] = False
        yield f"without {file.name}", trainer.out_of_fold(teaching)
        start = end


def mean_f1(examples: Examples, raw: Floats, language: str) -> float:
    """Return the mean F1 of the labels on the real texts of a language."""
    rows = examples.real & (examples.languages == language)
    languages = examples.languages[rows]
    wanted = examples.wanted[rows]
    real = examples.real
    decisions = decide(raw[real], examples.wanted[real], examples.languages[real])
    answers = assigned(
        probabilities(raw[rows], languages, decisions), languages, decisions
    )
    return float(np.mean([f1(answers[:, k], wanted[:, k]) for k in range(len(LABELS))]))


def main(arguments: list[str] | None = None) -> None:
    """Print a line per part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", action="store_true", help="each file of the corpus")
    options = parser.parse_args(arguments)
    lexicon = Lexicon.load(MODEL_FOLDER / LEXICON_FILE)
    examples = prepare(read_rows(corpus_files()), lexicon)
    tried = without_files(examples) if options.files else without_families(examples)
    for name, raw in tried:
        scores = [f"{mean_f1(examples, raw, language):.3f}" for language in LANGUAGES]
        print(name, *scores, flush=True)


if __name__ == "__main__":
    main()
