"""What concepts and signals add to the scores: the same sum as over features.vector, by arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from incidentwire.labels import LABELS
from services.classifier.labelling.analyzed_text import AnalyzedText, opening
from services.classifier.labelling.features import (
    EARLY_SENTENCES,
    LEAD_SENTENCES,
    alone_and_paired,
)
from services.classifier.labelling.grouped import counted, summed
from services.classifier.text.bigrams import Codes

REMEMBERED = 20_000  # sets of names; past it the memory starts anew
# The places where concepts and signals are counted, in the order of _names; for each the kinds of the features that
# tell whether a name is there, in what share of the sentences (square root), and how often (log).
_PRESENT = ("c", "L", "C", "a", "e", "s:lead", "s:title")
_SHARE = ("d", "", "", "s:share", "", "", "")
_OFTEN = ("", "", "", "n", "", "", "")

_Names = tuple[str, ...]


class ConceptScores:
    """Immutable, but for a bounded memory. The names that the model knows, alone and in pairs, are numbers."""

    def __init__(
        self, rows: Mapping[str, Mapping[str, int]], matrix: NDArray[np.float32]
    ) -> None:
        """`rows`: kind of feature -> name -> row of the matrix (features x labels)."""
        kinds = {*_PRESENT, *_SHARE, *_OFTEN} - {""}
        names = sorted({name for kind in kinds for name in rows.get(kind, ())})
        self._number = {name: number for number, name in enumerate(names)}
        self._present, self._share, self._often = (
            self._table(kinds, rows, matrix) for kinds in (_PRESENT, _SHARE, _OFTEN)
        )
        self._known: dict[_Names, Codes] = {}

    def scores(self, readings: Sequence[AnalyzedText]) -> NDArray[np.float64]:
        """Readings x labels."""
        stretches = [
            [self._numbers(own) for own in names if own] for names in _names(readings)
        ]
        owners, numbers, counts = counted(stretches)
        if not len(owners):
            return np.zeros((len(readings), len(LABELS)))
        places, owners_in_place = np.divmod(owners, len(readings))
        sentences = np.array([len(reading.body) or 1 for reading in readings])
        rows = places * len(self._number) + numbers
        values = np.take(self._present, rows, axis=0)
        values += np.sqrt(counts / sentences[owners_in_place])[:, None] * np.take(
            self._share, rows, axis=0
        )
        values += np.log1p(counts)[:, None] * np.take(self._often, rows, axis=0)
        found = summed(owners, values, len(stretches)).reshape(
            len(_PRESENT), len(readings), len(LABELS)
        )
        return np.asarray(found.sum(axis=0))

    def _numbers(self, names: _Names) -> Codes:
        """Of the names that meet in a sentence, alone and in pairs; remembered."""
        if names not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = [
                self._number[name]
                for name in alone_and_paired(names)
                if name in self._number
            ]
            self._known[names] = np.array(known, dtype=np.int64)
        return self._known[names]

    def _table(
        self,
        kinds: Sequence[str],
        rows: Mapping[str, Mapping[str, int]],
        matrix: NDArray[np.float32],
    ) -> NDArray[np.float64]:
        """(Places x names) x labels: the weights of the kind of each place."""
        table = np.zeros((len(kinds), len(self._number), len(LABELS)))
        for place, kind in enumerate(kinds):
            for name, row in rows.get(kind, {}).items() if kind else ():
                table[place, self._number[name]] = matrix[row]
        return table.reshape(-1, len(LABELS))


def _names(readings: Sequence[AnalyzedText]) -> Iterator[Sequence[_Names]]:
    """For each place, and in it for each reading, the names in its sentences."""
    yield from ([one.concepts for one in reading.body] for reading in readings)
    yield from (
        [one.concepts for one in opening(reading.title, reading.body, LEAD_SENTENCES)]
        for reading in readings
    )
    yield from ([reading.title.concepts] for reading in readings)
    yield from ([one.signals for one in reading.body] for reading in readings)
    yield from (
        [one.signals for one in opening(reading.title, reading.body, EARLY_SENTENCES)]
        for reading in readings
    )
    yield from ([reading.lead_signals] for reading in readings)
    yield from ([reading.title.signals] for reading in readings)
