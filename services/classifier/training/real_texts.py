"""Real texts that readers have labelled: what the project keeps of them.

Of each text: its labels, its source address, a digest, and hashed feature counts
without order (see labelling/features.py). No sentence is kept. `make_features` makes
the counts again from the texts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.classifier.labelling.features import Counts
from services.classifier.labelling.model_file import LANGUAGES

FOLDER = Path(__file__).parent / "real"
MIN_TEXTS = (
    3  # a feature of fewer texts is not kept: it says something about them alone
)
TEACH = "teach"
TEACH_ONLY = "teach_only"  # other kinds of texts: they decide no threshold


@dataclass(frozen=True, kw_only=True)
class RealText:
    """One labelled text; `uncertain` are the labels that its readers doubt.

    `role` is "teach", "teach_only", or the name of a validation set that never teaches.
    """

    id: str
    lang: str
    url: str
    digest: str
    labels: tuple[str, ...]
    uncertain: tuple[str, ...]
    readers: int
    role: str

    @property
    def publisher(self) -> str:
        """The name before the colon of the id."""
        return self.id.partition(":")[0]


def labels_file(language: str, folder: Path = FOLDER) -> Path:
    """Return the path of the labels in a language."""
    return folder / f"labels_{language}.jsonl"


def features_file(language: str, folder: Path = FOLDER) -> Path:
    """Return the path of the counts in a language."""
    return folder / f"features_{language}.npz"


def read_labels(language: str, folder: Path = FOLDER) -> list[RealText]:
    """Return the labelled texts of a language, in the order of the file."""
    with labels_file(language, folder).open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        RealText(
            id=row["id"],
            lang=language,
            url=row["url"],
            digest=row["digest"],
            labels=tuple(row["labels"]),
            uncertain=tuple(row["uncertain"]),
            readers=row["readers"],
            role=row["role"],
        )
        for row in rows
    ]


def save_counts(
    found: Counts, languages: NDArray[np.str_], lexicon: str, folder: Path = FOLDER
) -> None:
    """Write the counts, a file per language, without features of few texts.

    `languages` has the language of each text, `lexicon` the digest of the lexicon.
    """
    for language in LANGUAGES:
        inside = np.flatnonzero(languages == language)
        number = np.full(found.rows, -1)
        number[inside] = np.arange(len(inside))
        here = number[found.owners] >= 0
        ids, columns, texts = np.unique(
            found.ids[here], return_inverse=True, return_counts=True
        )
        kept = texts >= MIN_TEXTS
        columns = np.where(kept, np.cumsum(kept) - 1, -1)[columns]
        order = np.lexsort((columns, number[found.owners[here]]))
        order = order[columns[order] >= 0]
        lengths = np.bincount(number[found.owners[here]][order], minlength=len(inside))
        np.savez_compressed(
            features_file(language, folder),
            ids=ids[kept].astype(np.uint32),
            columns=columns[order].astype(np.uint32),
            counts=np.minimum(found.counts[here][order], 255).astype(np.uint8),
            lengths=lengths.astype(np.uint32),
            sentences=np.minimum(found.sentences[inside], 65_535).astype(np.uint16),
            lexicon=np.frombuffer(lexicon.encode(), np.uint8),
        )


def load_counts(language: str, lexicon: str, folder: Path = FOLDER) -> Counts:
    """Return the counts of the labelled texts of a language, in their order.

    Raises ValueError if they were made with another lexicon than that with the digest
    `lexicon`.
    """
    path = features_file(language, folder)
    with np.load(path, allow_pickle=False) as arrays:
        made_with = arrays["lexicon"].tobytes().decode()
        lengths = arrays["lengths"].astype(np.int64)
        ids = arrays["ids"].astype(np.int64)[arrays["columns"]]
        counts = arrays["counts"].astype(np.int64)
        sentences = arrays["sentences"].astype(np.int64)
    if made_with != lexicon:
        raise ValueError(
            f"{path} was made with another lexicon. Make it again from the texts:"
            " python -m services.classifier.training.make_features"
        )
    owners = np.repeat(np.arange(len(lengths)), lengths)
    return Counts(
        rows=len(lengths), owners=owners, ids=ids, counts=counts, sentences=sentences
    )


def joined(parts: list[Counts]) -> Counts:
    """Return the counts of several groups of texts as one, in order."""
    offsets = np.cumsum([0, *(part.rows for part in parts)])
    owners = [part.owners + offsets[n] for n, part in enumerate(parts)]
    return Counts(
        rows=int(offsets[-1]),
        owners=np.concatenate(owners),
        ids=np.concatenate([part.ids for part in parts]),
        counts=np.concatenate([part.counts for part in parts]),
        sentences=np.concatenate([part.sentences for part in parts]),
    )
