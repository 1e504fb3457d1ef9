"""`make train`: corpus in, weights and model card out; the same corpus and lexicon give the same bytes."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from services.classifier.labelling.classifier import MODEL_FOLDER, Classifier
from services.classifier.labelling.lexicon import Lexicon
from services.classifier.labelling.model_file import (
    LEXICON_FILE,
    WEIGHTS_FILE,
    Calibration,
    Weights,
    save,
)
from services.classifier.training import ablation, card, golden
from services.classifier.training.calibrating import decide, prior_weights
from services.classifier.training.card import Validation
from services.classifier.training.corpus import CorpusRow, corpus_files, read_rows
from services.classifier.training.fitting import (
    Fitted,
    fit,
    label_weights,
    out_of_fold,
    prepare,
    targets,
)

NEGLIGIBLE = 0.002  # a weight below it for every label changes no answer


def train(rows: Sequence[CorpusRow], lexicon: Lexicon) -> tuple[Weights, Validation]:
    """The model of these rows, fitted on all of them and calibrated on scores of rows held out in turn."""
    examples = prepare(rows, lexicon)
    wanted = targets(examples)
    weights = label_weights(examples, prior_weights(wanted))
    raw = out_of_fold(examples, weights)
    model = pack(fit(examples, weights), decide(raw, wanted, weights), lexicon.digest)
    return model, Validation(rows=rows, raw=raw, wanted=wanted, weights=weights)


def pack(
    fitted: Fitted, decisions: dict[str, Calibration], lexicon_digest: str
) -> Weights:
    """The weights that matter, under a version that names their content."""
    kept = np.flatnonzero(np.abs(fitted.matrix).max(axis=1) >= NEGLIGIBLE)
    matrix = fitted.matrix[kept].round(5).astype(np.float32)
    bias = tuple(round(float(one), 6) for one in fitted.bias)
    rest = repr((bias, sorted(decisions.items()), lexicon_digest))
    digest = hashlib.sha256(matrix.tobytes() + rest.encode()).hexdigest()
    return Weights(
        version=f"linear-1-{digest[:10]}",
        features=tuple(fitted.features[i] for i in kept.tolist()),
        matrix=matrix,
        bias=bias,
        decisions=decisions,
    )


def main(arguments: list[str] | None = None) -> None:
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
    parser.add_argument("--quick", action="store_true", help="no ablation and no card")
    options = parser.parse_args(arguments)
    rows, held_out = golden.split(
        read_rows([*corpus_files(), *options.extra]), golden.golden_ids()
    )
    lexicon = Lexicon.load(MODEL_FOLDER / LEXICON_FILE)
    model, validation = train(rows, lexicon)
    save(model, options.out / WEIGHTS_FILE)
    print(
        f"model {model.version} rows={len(rows)} features={len(model.features)} file={options.out / WEIGHTS_FILE}"
    )
    if options.quick:
        return
    figures = golden.measure(Classifier(model, lexicon), held_out)
    outcomes = ablation.compare(prepare(rows, lexicon, by_sentence=True))
    (options.out / card.CARD_FILE).write_text(
        card.card(model, validation, figures, outcomes), encoding="utf-8"
    )
    print(f"card {options.out / card.CARD_FILE}")


if __name__ == "__main__":
    main()
