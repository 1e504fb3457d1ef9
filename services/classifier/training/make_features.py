"""Make the hashed feature counts of the labelled real texts again, from the texts.

The texts are no part of the project. Needed after a change of the lexicon or of the
features: python -m services.classifier.training.make_features TEXTS.jsonl(.gz) …
with the id, title and text of each row.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from services.classifier.labelling.analyzed_text import analyze
from services.classifier.labelling.classifier import MODEL_FOLDER, article
from services.classifier.labelling.features import count
from services.classifier.labelling.lexicon import Lexicon
from services.classifier.labelling.model_file import LANGUAGES, LEXICON_FILE
from services.classifier.training.real_texts import read_labels, save_counts


def digest_of(title: str, text: str) -> str:
    """Return the digest by which a text is known again, in hexadecimal."""
    return hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()[:32]


def read_texts(files: Iterable[Path]) -> Iterator[tuple[str, str, str]]:
    """Yield id, title and text of each row of JSON lines files, gzipped or not."""
    for file in files:
        opened = gzip.open if file.suffix == ".gz" else open
        with opened(file, "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                yield row["id"], row["title"] or "", row["text"]


def main(arguments: list[str] | None = None) -> None:
    """Write the counts of all labelled texts. Exits if a text is missing or differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", type=Path, nargs="+", help="JSON lines of texts")
    options = parser.parse_args(arguments)
    labelled = [one for language in LANGUAGES for one in read_labels(language)]
    wanted = {one.id for one in labelled}
    texts = {
        id_: (title, text)
        for id_, title, text in read_texts(options.texts)
        if id_ in wanted
    }
    lexicon = Lexicon.load(MODEL_FOLDER / LEXICON_FILE)
    analyzed = []
    for one in labelled:
        title, text = texts.get(one.id, ("", ""))
        if digest_of(title, text) != one.digest:
            parser.error(
                f"The text of {one.id} is missing, or is not the one labelled."
            )
        analyzed.append(analyze(title, article(text), lexicon))
    languages = np.array([one.lang for one in labelled])
    save_counts(count(analyzed), languages, lexicon.digest)
    print(f"counted {len(labelled)} texts")


if __name__ == "__main__":
    main()
