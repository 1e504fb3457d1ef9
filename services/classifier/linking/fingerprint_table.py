"""Fingerprints of mentions in arrays: about 540 bytes each, without a Python object."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from services.classifier.linking.fingerprints import (
    MAX_TERMS,
    SIGNATURE_SLOTS,
    Fingerprint,
)

# Hashes are folded to 4 M slots: two bytes of document frequency each are 8 MB.
SLOT_BITS = 22
SLOT_MASK = (1 << SLOT_BITS) - 1
KIND_SHIFT = SLOT_BITS + 4
# Reports of one incident agree in figures, dates and names; reports of similar incidents
# only in their words.
KIND_QUARTERS = (4, 5, 10, 8)  # by Kind: words, names, amounts, dates
WEIGHTS = 16  # stored weights are 0 (unused) to 15
_FIRST_ROWS = 64
_GROWTH = 1.25

Packed = NDArray[np.uint32]  # slot | weight << 22 | kind << 26; 0 where unused
Integers = NDArray[np.int64]
_WEIGHTS: Integers = np.outer(KIND_QUARTERS, np.arange(WEIGHTS)).reshape(-1)
_T = TypeVar("_T", bound=np.generic)


def pack(fingerprint: Fingerprint) -> Packed:
    """Return a fingerprint's terms as words of 32 bits, ordered by slot."""
    slots, first = np.unique(fingerprint.hashes & SLOT_MASK, return_index=True)
    weights = fingerprint.weights[first].astype(np.uint32) << SLOT_BITS
    kinds = fingerprint.kinds[first].astype(np.uint32) << KIND_SHIFT
    packed: Packed = slots.astype(np.uint32) | weights | kinds
    return packed


def slots_of(packed: Packed) -> Packed:
    """Return the slots of the terms."""
    return (packed & SLOT_MASK).astype(np.uint32, copy=False)


def weights_of(packed: Packed) -> Integers:
    """Return the weights for comparisons: stored weight times KIND_QUARTERS, 0 to 150."""
    weights: Integers = _WEIGHTS[packed >> SLOT_BITS]
    return weights


def kinds_of(packed: Packed) -> Integers:
    """Return the TermKind of each term."""
    return (packed >> KIND_SHIFT).astype(np.int64)


class FingerprintTable:
    """One row per mention; freed rows are reused.

    `terms`, `days`, `signatures` and `parts` are to be read by row.
    """

    def __init__(self) -> None:
        self.terms = np.zeros((_FIRST_ROWS, MAX_TERMS), dtype=np.uint32)
        self.days = np.zeros(_FIRST_ROWS, dtype=np.uint16)
        self.signatures = np.zeros((_FIRST_ROWS, SIGNATURE_SLOTS), dtype=np.uint16)
        self.parts = np.zeros(_FIRST_ROWS, dtype=np.bool_)
        self._mentions = np.zeros(_FIRST_ROWS, dtype=np.uint64)
        self._used = 0
        self._free: list[int] = []

    def add(self, mention: str, packed: Packed, fingerprint: Fingerprint) -> int:
        """Store a fingerprint and return its row."""
        row = self._free.pop() if self._free else self._next()
        self.terms[row] = 0
        self.terms[row, : len(packed)] = packed
        self.days[row] = fingerprint.day
        self.signatures[row] = fingerprint.signature
        self.parts[row] = fingerprint.part
        self._mentions[row] = _code(mention)
        return row

    def free(self, row: int) -> None:
        """Let the row be used again."""
        self._free.append(row)

    def find(self, mention: str, rows: Sequence[int]) -> int | None:
        """Return the row of the mention among these rows, or None."""
        code = _code(mention)
        return next((row for row in rows if int(self._mentions[row]) == code), None)

    @property
    def bytes(self) -> int:
        """Return the size of the arrays in bytes, spare rows included."""
        return (
            self.terms.nbytes
            + self.days.nbytes
            + self.signatures.nbytes
            + self.parts.nbytes
            + self._mentions.nbytes
        )

    def _next(self) -> int:
        if self._used == len(self.days):
            size = int(self._used * _GROWTH)
            self.terms = _grown(self.terms, size)
            self.days = _grown(self.days, size)
            self.signatures = _grown(self.signatures, size)
            self.parts = _grown(self.parts, size)
            self._mentions = _grown(self._mentions, size)
        self._used += 1
        return self._used - 1

    # -- checkpoint

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of the arrays that `restore` needs, by name."""
        used = slice(self._used)
        return {
            "terms": self.terms[used].copy(),
            "days": self.days[used].copy(),
            "signatures": self.signatures[used].copy(),
            "parts": self.parts[used].copy(),
            "mentions": self._mentions[used].copy(),
            # A stack: the order says which is used next.
            "free_rows": np.array(self._free, dtype=np.uint32),
            "room": np.array([len(self.days)], dtype=np.uint32),
        }

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> FingerprintTable:
        """Return the table with this state."""
        rows = cls()
        room = int(arrays["room"][0])
        rows._used = len(arrays["days"])
        rows.terms = _grown(arrays["terms"], room)
        rows.days = _grown(arrays["days"], room)
        rows.signatures = _grown(arrays["signatures"], room)
        rows.parts = _grown(arrays["parts"], room)
        rows._mentions = _grown(arrays["mentions"], room)
        rows._free = arrays["free_rows"].tolist()
        return rows


def _grown(old: NDArray[_T], size: int) -> NDArray[_T]:
    new = np.zeros((size, *old.shape[1:]), dtype=old.dtype)
    new[: len(old)] = old
    return new


def _code(mention: str) -> int:
    digest = hashlib.blake2b(mention.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
