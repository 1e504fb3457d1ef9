"""Keyed digests of terms, remembered: a stream says most of its words again. Nothing here depends on what is
remembered but time."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from services.classifier.linking.terms import PLAIN
from services.classifier.text.bigrams import Codes, bigram

MAX_WORDS = 1 << 16  # remembered: about 10 MB
_BUCKET_BITS, _WAY_BITS = 16, 2  # bigrams remembered: 262,144 in 3 MB
_WAYS = 1 << _WAY_BITS
_SPREAD = (
    0x9E3779B1  # odd, near 2^32 / the golden ratio (Knuth, multiplicative hashing)
)

Digests64 = NDArray[np.uint64]


class TermHasher:
    """BLAKE2b by one key, 64 bits. Words are kept in a dict that is emptied when full; bigrams in a
    set-associative cache, where a new one takes a place of its bucket in turn."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._lock = Lock()
        self._words: dict[str, int] = {}
        self._codes = np.zeros((1 << _BUCKET_BITS, _WAYS), dtype=np.uint32)
        self._known = np.zeros((1 << _BUCKET_BITS, _WAYS), dtype=np.uint64)
        self._turn = np.zeros(1 << _BUCKET_BITS, dtype=np.uint8)

    def of(self, term: str) -> int:
        digest = hashlib.blake2b(
            term.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key
        )
        return int.from_bytes(digest.digest(), "big")

    def of_words(self, words: list[str]) -> Digests64:
        with self._lock:
            return self._words_of(words)

    def of_codes(self, codes: Codes, plain: list[str]) -> Digests64:
        """By the codes of terms.Terms; `plain` are its words."""
        found, is_plain = np.zeros(len(codes), dtype=np.uint64), codes >= PLAIN
        with self._lock:
            found[is_plain] = self._words_of(plain)[codes[is_plain] - PLAIN]
            found[~is_plain] = self._of_bigrams(codes[~is_plain])
        return found

    def _words_of(self, words: list[str]) -> Digests64:
        known = self._words
        if len(known) > MAX_WORDS:
            known.clear()
        for word in words:
            if word not in known:
                known[word] = self.of(word)
        return np.fromiter(
            map(known.__getitem__, words), dtype=np.uint64, count=len(words)
        )

    def _of_bigrams(self, codes: Codes) -> Digests64:
        buckets = (codes * _SPREAD & 0xFFFFFFFF) >> (32 - _BUCKET_BITS)
        same = np.flatnonzero(np.take(self._codes, buckets, axis=0) == codes[:, None])
        at, way = (
            same >> _WAY_BITS,
            same & _WAYS - 1,
        )  # a code is in one of the ways at most
        found = np.zeros(len(codes), dtype=np.uint64)
        found[at] = np.take(self._known, buckets[at] << _WAY_BITS | way)
        missing = np.ones(len(codes), dtype=np.bool_)
        missing[at] = False
        if len(at) < len(codes):
            new, back = np.unique(codes[missing], return_inverse=True)
            made = np.array(
                [self.of(bigram(code)) for code in new.tolist()], dtype=np.uint64
            )
            found[missing] = made[back]
            at, new = buckets[missing], codes[missing]
            turn = self._turn[at] % _WAYS
            self._turn[at] += 1
            self._codes[at, turn], self._known[at, turn] = new, found[missing]
        return found


digests_of = lru_cache(maxsize=4)(TermHasher)
