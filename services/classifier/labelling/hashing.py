"""Hashes of words, names and pairs of Chinese characters, HASH_BITS each."""

from __future__ import annotations

from functools import lru_cache
from zlib import crc32

from services.classifier.text.bigrams import Codes

HASH_BITS = 22
HASH_MASK = (1 << HASH_BITS) - 1
_MIXER = 0x9E3779B1  # 2^32 over the golden ratio: Knuth's multiplicative hash
_MASK = (1 << 32) - 1


@lru_cache(maxsize=1 << 16)
def hash_of(name: str) -> int:
    """Return the hash of a word or a name."""
    return crc32(name.encode("utf-8", "surrogatepass")) >> (32 - HASH_BITS)


def hashes_of_pairs(codes: Codes) -> Codes:
    """Return the hashes of pairs of characters by their codes."""
    return (codes * _MIXER & _MASK) >> (32 - HASH_BITS)
