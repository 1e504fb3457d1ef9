"""Posting lists: the incidents in which a term occurred, the newest first."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.classifier.linking.fingerprint_table import SLOT_BITS


class PostingLists:
    """Linked lists in arrays, 8 bytes a posting: dicts and lists take twenty times that.

    Incidents are numbers, terms are slots of the fingerprint table.
    """

    def __init__(self) -> None:
        self._heads = array(
            "I", bytes(4 << SLOT_BITS)
        )  # by slot: a posting, 0 for none
        self._numbers = array("I", [0])  # by posting: the incident's number
        self._next = array("I", [0])  # by posting: the next one, 0 at the end

    def add(self, slots: Iterable[int], number: int) -> None:
        """Put an incident at the head of these lists."""
        for slot in slots:
            self._numbers.append(number)
            self._next.append(self._heads[slot])
            self._heads[slot] = len(self._numbers) - 1

    def votes(
        self, slots: Iterable[int], weights: Iterable[int], most: int
    ) -> dict[int, int]:
        """Return the sum of weights per incident, over the `most` newest of each list."""
        votes: dict[int, int] = {}
        heads = self._heads
        numbers = self._numbers
        following = self._next
        for slot, weight in zip(slots, weights, strict=True):
            at = heads[slot]
            left = most
            while at and left:
                number = numbers[at]
                votes[number] = votes.get(number, 0) + weight
                at = following[at]
                left -= 1
        return votes

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of the arrays that `restore` needs, by name."""
        return {
            "heads": np.array(self._heads, dtype=np.uint32),
            "who": np.array(self._numbers, dtype=np.uint32),
            "next": np.array(self._next, dtype=np.uint32),
        }

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> PostingLists:
        """Return the lists with this state."""
        lists = cls()
        lists._heads = unsigned(arrays["heads"])
        lists._numbers = unsigned(arrays["who"])
        lists._next = unsigned(arrays["next"])
        return lists


def unsigned(numbers: NDArray[Any]) -> array[int]:
    """Return a growing array of 32-bit numbers with these values."""
    return array("I", numbers.astype(np.uint32).tobytes())
