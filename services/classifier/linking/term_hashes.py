"""Keyed hashes of terms, remembered: a stream repeats most of its words.

A dict of bigrams made fingerprints of Chinese 1.8 times as slow as the arrays here.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from services.classifier.linking.terms import PLAIN
from services.classifier.text.bigrams import Codes, bigram

MAX_WORDS = 1 << 16  # remembered: about 10 MB
_BUCKET_BITS = 17
_WAY_BITS = 2  # bigrams remembered: 524,288 in 6 MB
_WAYS = 1 << _WAY_BITS
_SPREAD = (
    0x9E3779B1  # odd, near 2^32 / the golden ratio (Knuth, multiplicative hashing)
)

Digests64 = NDArray[np.uint64]


class TermHasher:
    """BLAKE2b by one key, 64 bits. What is remembered changes nothing but time.

    Words are kept in a dict that is emptied when full, bigrams in a set-associative
    cache: a new one takes a place of its bucket in turn.
    """

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
        """Return the hashes of words."""
        with self._lock:
            return self._words_of(words)

    def of_codes(self, codes: Codes, plain: list[str]) -> Digests64:
        """Return the hashes by the codes of terms.Terms; `plain` are its words."""
        is_plain = codes >= PLAIN
        found = np.zeros(len(codes), dtype=np.uint64)
        with self._lock:
            found[is_plain] = self._words_of(plain)[codes[is_plain] - PLAIN]
            if not is_plain.all():
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
        at = same >> _WAY_BITS  # a code is in one way at most
        ways = same & _WAYS - 1
        found = np.zeros(len(codes), dtype=np.uint64)
        found[at] = np.take(self._known, buckets[at] << _WAY_BITS | ways)
        if len(at) < len(codes):
            is_new = np.ones(len(codes), dtype=np.bool_)
            is_new[at] = False
            found[is_new] = self._add(codes[is_new], buckets[is_new])
        return found

    def _add(self, codes: Codes, buckets: Codes) -> Digests64:
        """Remember new bigrams; return their hashes."""
        distinct, back = np.unique(codes, return_inverse=True)
        hashes = [self.of(bigram(code)) for code in distinct.tolist()]
        found = np.array(hashes, dtype=np.uint64)[back]
        turns = self._turn[buckets] % _WAYS
        self._turn[buckets] += 1
        self._codes[buckets, turns] = codes
        self._known[buckets, turns] = found
        return found


digests_of = lru_cache(maxsize=4)(TermHasher)
