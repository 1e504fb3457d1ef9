"""What each kind of features, and each file of the corpus, is worth.

Scores of the real texts by models that saw no text of the same publisher, without one
part at a time:
python -m services.classifier.training.ablation [--files | --kinds] [--only NAME] [--write]
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score

from incidentwire.labels import LABELS
from services.classifier.labelling import features
from services.classifier.labelling.classifier import MODEL_FOLDER
from services.classifier.labelling.lexicon import Lexicon
from services.classifier.labelling.model_file import LANGUAGES, LEXICON_FILE
from services.classifier.training.calibrating import decide, probabilities
from services.classifier.training.corpus import corpus_files, read_rows
from services.classifier.training.figures import RESAMPLES, SEED
from services.classifier.training.fitting import Examples, Floats, Trainer, prepare

RESULTS_FILE = Path(__file__).parent / "ablation.json"
EVERYTHING = "everything"
ALL_WRITTEN = "all written rows"
_NUMBER = re.compile(r"_[a-h0-9]$")
LEAST_PROBABILITY = 1e-4  # keeps the log loss of a single text finite
ALL = range(len(features.KINDS))
# What the files of the corpus are for, by the begin of their names.
PURPOSES = {
    "en_dry": "long reports and features in a dry tone",
    "en_long": "long features and essays, ground deep in the text",
    "en_middle": "reports and posts of 1,100 characters",
    "en_newswire": "plain positives of the wire; lure words with another object",
    "en_notes": "digest items of 200 characters",
    "en_reports": "news reports, incidents, legal news",
    "en_short": "headlines, leads, digest items",
    "extra_en_digest": "digest items of 90 characters",
    "extra_en_none": "lure words in another sense",
    "zh_briefs": "briefs",
    "zh_headlines": "headlines",
    "zh_negatives": "short notes near a border",
    "zh_newswire": "plain positives of the wire; lure words with another object",
}
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


@dataclass(frozen=True, kw_only=True)
class Result:
    """Figures without one part, on the real texts of one language.

    `precision` is the mean average precision of the labels, `loss` their mean log loss.
    `gain` is how much the loss rises without the part, with the 95 % interval by
    resampling publishers: a part with a negative gain does harm.
    """

    part: str
    rows: int
    language: str
    precision: float
    loss: float
    gain: float
    interval: tuple[float, float]


def purpose_of(part: str) -> str:
    """Return what a part of the corpus is for, empty for other parts."""
    return next((why for name, why in PURPOSES.items() if part.startswith(name)), "")


def without_families(examples: Examples) -> Iterator[tuple[str, int, Floats]]:
    """Yield name, rows and raw scores without each family of features."""
    trainer = Trainer(examples)
    teaching = examples.teaching
    for name, kinds in FAMILIES.items():
        rest = [kind for kind in ALL if kind not in kinds]
        yield name, 0, trainer.out_of_fold(teaching, rest)


def parts_of_corpus(kinds: bool) -> dict[str, list[tuple[int, int]]]:
    """Return the rows of each file, or of each kind of files, by name.

    Files of one kind differ in their number or letter only. The last part is all of them.
    """
    found: dict[str, list[tuple[int, int]]] = {}
    start = 0
    for file in corpus_files():
        end = start + len(read_rows([file]))
        name = kind_of(file.stem) if kinds else file.stem
        found.setdefault(name, []).append((start, end))
        start = end
    return found | {ALL_WRITTEN: [(0, start)]}


def kind_of(name: str) -> str:
    """Return the name of a file without its number or letter."""
    return _NUMBER.sub("", name)


def without_rows(
    examples: Examples, parts: dict[str, list[tuple[int, int]]]
) -> Iterator[tuple[str, int, Floats]]:
    """Yield name, rows and raw scores without the rows of each part."""
    trainer = Trainer(examples)
    for name, spans in parts.items():
        teaching = examples.teaching
        for start, end in spans:
            teaching[start:end] = False
        rows = sum(end - start for start, end in spans)
        yield name, rows, trainer.out_of_fold(teaching)


def compare(
    examples: Examples, base: Floats, part: str, rows: int, raw: Floats
) -> Iterator[Result]:
    """Yield the result of each language; `base` are the raw scores with everything."""
    random = np.random.default_rng(SEED)
    for language in LANGUAGES:
        texts = examples.real & (examples.languages == language)
        losses = _losses(examples, raw, language)
        gains = losses - _losses(examples, base, language)
        wanted = examples.wanted[texts]
        precision = [
            average_precision_score(wanted[:, k], raw[texts][:, k])
            for k in range(len(LABELS))
        ]
        low, high = _interval(gains, examples.publishers[texts], random)
        yield Result(
            part=part,
            rows=rows,
            language=language,
            precision=round(float(np.mean(precision)), 4),
            loss=round(float(losses.mean()), 5),
            gain=round(float(gains.mean()), 5),
            interval=(round(low, 5), round(high, 5)),
        )


def _losses(examples: Examples, raw: Floats, language: str) -> Floats:
    """Return the mean log loss of the labels of each real text of a language."""
    real = examples.real
    decisions = decide(raw[real], examples.wanted[real], examples.languages[real])
    rows = real & (examples.languages == language)
    found = probabilities(raw[rows], examples.languages[rows], decisions)
    found = np.clip(found, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    right = np.where(examples.wanted[rows], found, 1.0 - found)
    return np.asarray(-np.log(right).mean(axis=1))


def _interval(
    gains: Floats, publishers: np.ndarray, random: np.random.Generator
) -> tuple[float, float]:
    """Return the 95 % interval of the mean gain by resampling publishers."""
    _, places = np.unique(publishers, return_inverse=True)
    sums = np.bincount(places, weights=gains)
    sizes = np.bincount(places)
    drawn = random.integers(0, len(sums), (RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def read_results(file: Path = RESULTS_FILE) -> list[Result]:
    """Return the stored results."""
    rows = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return [Result(**row | {"interval": tuple(row["interval"])}) for row in rows]


def write_results(found: list[Result], file: Path = RESULTS_FILE) -> None:
    """Store results, in place of those of the same parts."""
    names = {one.part for one in found}
    kept = [one for one in read_results(file) if one.part not in names]
    ranked = sorted([*kept, *found], key=lambda one: (one.part, one.language))
    lines = ",\n".join(json.dumps(asdict(one)) for one in ranked)
    file.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Print a line per part and language."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", action="store_true", help="each file of the corpus")
    parser.add_argument("--kinds", action="store_true", help="each kind of files")
    parser.add_argument("--only", default="", help="begin of the names of the parts")
    parser.add_argument(
        "--write", action="store_true", help="store the results for the model card"
    )
    options = parser.parse_args(arguments)
    lexicon = Lexicon.load(MODEL_FOLDER / LEXICON_FILE)
    examples = prepare(read_rows(corpus_files()), lexicon)
    base = Trainer(examples).out_of_fold(examples.teaching)
    tried: Iterable[tuple[str, int, Floats]] = without_families(examples)
    if options.files or options.kinds:
        parts = parts_of_corpus(options.kinds)
        chosen = {
            name: spans
            for name, spans in parts.items()
            if name.startswith(options.only)
        }
        tried = without_rows(examples, chosen)
    for part in chain([(EVERYTHING, 0, base)], tried):
        found = list(compare(examples, base, *part))
        print(*found, sep="\n", flush=True)
        if options.write:
            write_results(found)


if __name__ == "__main__":
    main()
