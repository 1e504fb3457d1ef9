"""What words and pairs of characters add to the scores: the same sum as over features.vector, by arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, repeat

import numpy as np
from numpy.typing import NDArray

from incidentwire.labels import LABELS
from services.classifier.labelling.analyzed_text import AnalyzedText
from services.classifier.labelling.grouped import counted, summed
from services.classifier.text.bigrams import CODES, Codes, codes_of

IN_TITLE = 2 * CODES


class TermScores:
    """The weights of terms. A term's code is that of a pair, or CODES and the number of a word among those that are
    scored together; IN_TITLE more in a title."""

    def __init__(
        self, rows: Mapping[str, Mapping[str, int]], matrix: NDArray[np.float32]
    ) -> None:
        """`rows`: kind of feature -> name -> row of the matrix (features x labels)."""
        pairs, in_title = (
            sorted(rows.get(kind, ())) for kind in ("", "Z")
        )  # by code point, which is by code
        self._pairs = np.concatenate(
            (codes_of(pairs), codes_of(in_title) | IN_TITLE, [np.iinfo(np.int64).max])
        )
        self._pair_rows = np.array(
            [
                *(rows[""][pair] for pair in pairs),
                *(rows["Z"][pair] for pair in in_title),
                len(matrix),
            ],
            dtype=np.intp,
        )
        self._words = rows.get("w", {}), rows.get("W", {})
        # One row of zeros more, for terms that the model does not know.
        self._matrix = np.vstack([matrix, np.zeros((1, len(LABELS)), dtype=np.float32)])

    def scores(self, readings: Sequence[AnalyzedText]) -> NDArray[np.float64]:
        """Readings x labels. In each text, and in each title, every term is weighted sublinearly, and all together to
        unit length."""
        said = [
            [word for one in reading.body for word in one.words] for reading in readings
        ]
        said += [list(reading.title.words) for reading in readings]
        number = {
            word: n
            for n, word in enumerate(dict.fromkeys(chain.from_iterable(said)), CODES)
        }
        words = [
            np.fromiter(map(number.__getitem__, own), dtype=np.int64, count=len(own))
            for own in said
        ]
        pairs = [
            [one.pairs for one in reading.body if len(one.pairs)]
            for reading in readings
        ]
        pairs += [[reading.title.pairs] for reading in readings]
        owners, codes, counts = counted(
            [(own, *rest) for own, rest in zip(words, pairs, strict=True)]
        )
        codes |= (owners >= len(readings)) * IN_TITLE
        values = 1.0 + np.log(counts)
        weighted = values[:, None] * np.take(
            self._matrix, self._at(codes, list(number)), axis=0
        )
        lengths = np.sqrt(summed(owners, values * values, len(said)))
        scores = summed(owners, weighted, len(said)) / np.maximum(lengths, 1.0)[:, None]
        return np.asarray(scores[: len(readings)] + scores[len(readings) :])

    def _at(self, codes: Codes, words: list[str]) -> NDArray[np.intp]:
        """The rows of the terms with these codes."""
        unknown = len(self._matrix) - 1
        found = np.searchsorted(self._pairs, codes)
        at = np.where(self._pairs[found] == codes, self._pair_rows[found], unknown)
        is_word = codes & CODES != 0
        for in_title, rows in enumerate(self._words):
            here = np.flatnonzero(is_word & (codes // IN_TITLE == in_title))
            if len(here):
                of_words = np.fromiter(
                    map(rows.get, words, repeat(unknown)),
                    dtype=np.intp,
                    count=len(words),
                )
                at[here] = of_words[codes[here] & CODES - 1]
        return at
