"""`make train`: corpus and real texts in, weights and model card out.

The same corpus, counts and lexicon give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np

from services.classifier.labelling.classifier import MODEL_FOLDER
from services.classifier.labelling.lexicon import Lexicon
from services.classifier.labelling.model_file import (
    LEXICON_FILE,
    WEIGHTS_FILE,
    Decisions,
    Weights,
    save,
)
from services.classifier.training import card
from services.classifier.training.calibrating import decide
from services.classifier.training.corpus import corpus_files, read_rows
from services.classifier.training.fitting import (
    Examples,
    Fitted,
    Floats,
    Trainer,
    prepare,
)

NEGLIGIBLE = 0.002  # a weight below it for every label changes no answer


def train(examples: Examples, lexicon: Lexicon) -> tuple[Weights, Floats]:
    """Return the model, and raw scores of the real texts without their publisher."""
    trainer = Trainer(examples)
    raw = trainer.out_of_fold(examples.teaching)
    real = examples.real
    decisions = decide(raw[real], examples.wanted[real], examples.languages[real])
    return pack(trainer.fit(examples.teaching), decisions, lexicon.digest), raw


def pack(fitted: Fitted, decisions: dict[str, Decisions], lexicon: str) -> Weights:
    """Return the weights that matter, under a version that names their content."""
    kept = np.abs(fitted.matrix).max(axis=1) >= NEGLIGIBLE
    matrix = fitted.matrix[kept].astype(np.float16).astype(np.float32)
    bias = tuple(round(float(one), 6) for one in fitted.bias)
    rest = repr((bias, sorted(decisions.items()), lexicon))
    content = fitted.ids[kept].tobytes() + matrix.tobytes() + rest.encode()
    return Weights(
        version=f"linear-2-{hashlib.sha256(content).hexdigest()[:10]}",
        lexicon=lexicon,
        ids=fitted.ids[kept],
        matrix=matrix,
        bias=bias,
        decisions=decisions,
    )


def main(arguments: list[str] | None = None) -> None:
    """Train, and write weights and card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--extra",
        type=Path,
        action="append",
        default=[],
        help="more rows, e.g. exported corrections",
    )
    parser.add_argument(
        "--out", type=Path, default=MODEL_FOLDER, help="folder for weights and card"
    )
    options = parser.parse_args(arguments)
    lexicon = Lexicon.load(MODEL_FOLDER / LEXICON_FILE)
    rows = read_rows([*corpus_files(), *options.extra])
    examples = prepare(rows, lexicon)
    model, raw = train(examples, lexicon)
    save(model, options.out / WEIGHTS_FILE)
    text = card.card(model, examples, raw)
    (options.out / card.CARD_FILE).write_text(text, encoding="utf-8")
    print(f"model {model.version} rows={len(rows)} features={len(model.ids)}")


if __name__ == "__main__":
    main()
