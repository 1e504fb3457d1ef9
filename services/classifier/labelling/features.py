"""Turn analyzed texts into numbered features, for training and for serving alike.

A feature is a number: its kind in the upper bits, a hash of its name below. Values:
    terms (words, pairs of Chinese characters)  1 + log(count), to unit length per place
    concepts and signals of the lexicon         1 if present, or the root of their share
                                                of sentences, or log(1 + count)
Words, pairs and names leave no trace but their hash, so features can be kept where a
text may not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.classifier.labelling.analyzed_text import (
    OPENING_SENTENCES,
    AnalyzedText,
    Sentence,
)
from services.classifier.labelling.grouped import counted
from services.classifier.labelling.hashing import (
    HASH_BITS,
    HASH_MASK,
    hash_of,
)
from services.classifier.text.bigrams import Codes

Floats = NDArray[np.float64]

LEAD_SENTENCES = 3
EARLY_SENTENCES = OPENING_SENTENCES

_Names = tuple[str, ...]


class Kind(NamedTuple):
    """`scale`: how strongly training believes the kind before it has seen data."""

    meaning: str
    scale: float


# The number of a kind is its index, and part of the model's format: append only.
KINDS = (
    Kind("word in the text", 4.0),
    Kind("word in the title", 1.5),
    Kind("concept in some sentence", 0.2),
    Kind("concept in the first sentences", 0.2),
    Kind("concept in the title", 0.2),
    Kind("share of sentences with concept", 0.5),
    Kind("signal in some sentence", 0.3),
    Kind("signal in an early sentence", 1.0),
    Kind("signal in the first sentence or the title", 1.0),
    Kind("signal in the title", 1.0),
    Kind("share of sentences with signal", 1.0),
    Kind("number of sentences with signal", 0.5),
)
(
    WORD,
    TITLE_WORD,
    CONCEPT,
    LEAD_CONCEPT,
    TITLE_CONCEPT,
    CONCEPT_SHARE,
    SIGNAL,
    EARLY_SIGNAL,
    LEAD_SIGNAL,
    TITLE_SIGNAL,
    SIGNAL_SHARE,
    SIGNAL_COUNT,
) = range(len(KINDS))
TERM_KINDS = (WORD, TITLE_WORD)
# The places where terms and names are counted, in the order of `count`.
_COUNTED_KINDS = (
    *TERM_KINDS,
    CONCEPT,
    LEAD_CONCEPT,
    TITLE_CONCEPT,
    SIGNAL,
    EARLY_SIGNAL,
    LEAD_SIGNAL,
    TITLE_SIGNAL,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Counts:
    """How often each feature occurs in each of `rows` texts, one entry each.

    `sentences` is the number of sentences of each text.
    """

    rows: int
    owners: Codes
    ids: Codes
    counts: Codes
    sentences: Codes


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """A sparse matrix of `rows` texts: text, feature and value of each entry."""

    rows: int
    owners: Codes
    ids: Codes
    values: Floats


def features(texts: Sequence[AnalyzedText]) -> Features:
    """Return the features of all texts."""
    return weighed(count(texts))


def count(texts: Sequence[AnalyzedText]) -> Counts:
    """Return the counts of all texts."""
    number = len(texts)
    stretches = [_terms(text.body) for text in texts]
    stretches += [_terms((text.title,)) for text in texts]
    stretches += [
        [_combined(names) for names in own if names] for own in _names_by_place(texts)
    ]
    owners, hashes, counts = counted(stretches)
    places, texts_of = np.divmod(owners, max(number, 1))
    return Counts(
        rows=number,
        owners=texts_of,
        ids=np.array(_COUNTED_KINDS)[places] << HASH_BITS | hashes,
        counts=counts,
        sentences=np.array([len(text.body) or 1 for text in texts], dtype=np.int64),
    )


def term_features(sentences: Sequence[Sentence]) -> Features:
    """Return the features of the terms of sentences, each a text of its own."""
    owners, hashes, counts = counted([_terms((one,)) for one in sentences])
    return weighed(
        Counts(
            rows=len(sentences),
            owners=owners,
            ids=WORD << HASH_BITS | hashes,
            counts=counts,
            sentences=np.ones(len(sentences), dtype=np.int64),
        )
    )


def weighed(found: Counts) -> Features:
    """Return the values of counted features."""
    kinds = found.ids >> HASH_BITS
    values = np.ones(len(found.ids))
    for kind in TERM_KINDS:
        here = np.flatnonzero(kinds == kind)
        weights = 1.0 + np.log(found.counts[here])
        owners = found.owners[here]
        squares = np.bincount(owners, weights=weights * weights, minlength=found.rows)
        values[here] = weights / np.sqrt(squares)[owners]
    parts = [(found.owners, found.ids, values)]
    for kind, derived, value in _DERIVED:
        here = np.flatnonzero(kinds == kind)
        owners = found.owners[here]
        ids = derived << HASH_BITS | found.ids[here] & HASH_MASK
        parts.append((owners, ids, value(found.counts[here], found.sentences[owners])))
    owners, ids, joined = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Features(rows=found.rows, owners=owners, ids=ids, values=joined)


def _share(counts: Codes, sentences: Codes) -> Floats:
    return np.sqrt(counts / sentences)


def _often(counts: Codes, _: Codes) -> Floats:
    return np.log1p(counts)


def _terms(sentences: Sequence[Sentence]) -> list[Codes]:
    """Return the hashes of the terms of sentences, in parts."""
    parts = [one.pairs for one in sentences if len(one.pairs)]
    words = [word for one in sentences for word in one.words]
    if words:
        parts.append(np.array(words, dtype=np.int64) & HASH_MASK)
    return parts


# Kinds of values that derive from the counts of another kind.
_DERIVED = (
    (CONCEPT, CONCEPT_SHARE, _share),
    (SIGNAL, SIGNAL_SHARE, _share),
    (SIGNAL, SIGNAL_COUNT, _often),
)


def _names_by_place(texts: Sequence[AnalyzedText]) -> list[list[_Names]]:
    """Return the names of each sentence, for each kind that is counted, for each text."""
    lead = [text.opening[:LEAD_SENTENCES] for text in texts]
    early = [text.opening[:EARLY_SENTENCES] for text in texts]
    return [
        *([one.concepts for one in text.body] for text in texts),
        *([one.concepts for one in own] for own in lead),
        *([text.title.concepts] for text in texts),
        *([one.signals for one in text.body] for text in texts),
        *([one.signals for one in own] for own in early),
        *([text.lead_signals] for text in texts),
        *([text.title.signals] for text in texts),
    ]


@lru_cache(maxsize=20_000)
def _combined(names: _Names) -> Codes:
    """Return the hashes of names that meet in a sentence, alone and in pairs."""
    return np.array([hash_of(one) for one in alone_and_paired(names)], dtype=np.int64)


def alone_and_paired(names: _Names) -> _Names:
    """Return the names, and each two of them joined by "&"."""
    return (*names, *(f"{a}&{b}" for a, b in combinations(names, 2)))


def names_of(text: AnalyzedText) -> dict[int, str]:
    """Return a readable name for each hash of a concept or signal: for explanations."""
    found: dict[int, str] = {}
    for one in (text.title, *text.body):
        names = (*alone_and_paired(one.concepts), *alone_and_paired(one.signals))
        found |= {hash_of(name): name.replace("&", " and ") for name in names}
    return found | {hash_of(name): name for name in text.lead_signals}
