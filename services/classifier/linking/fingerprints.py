"""Fingerprints: mentions without their words, for comparison, in at most 600 characters.

Layout of the packed form, before base85:

    0      FINGERPRINT_VERSION, with PART set if the mention is an excerpt of a longer
           text, OUTCOME if it reports a fine, settlement or trial
    1..2   day of publication, days since 1970-01-01, 0 if unknown
    3..6   how many terms: words, names, amounts, dates
    7..38  SIGNATURE_SLOTS minima of hashed shingles, 16 bits each (one-permutation
           minhash; Li, Owen and Zhang 2012)
    39..   the terms' hashes, 24 bits each, in that order, sorted within a kind; then
           their weights, 4 bits each

Hashes are keyed (BLAKE2b): without the key nobody can test whether a fingerprint is that
of a given text or name.
"""

from __future__ import annotations

import datetime
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.classifier.linking.legal_outcomes import reports_outcome
from services.classifier.linking.term_hashes import digests_of
from services.classifier.linking.terms import TermKind, terms
from services.classifier.text.tokenizer import spans

FINGERPRINT_VERSION = 1
PART = 0x80
OUTCOME = 0x40
MAX_CHARS = 600
MAX_TERMS = 124  # fills 39 + 124 * 3.5 = 473 bytes, 592 characters
SIGNATURE_SLOTS = 16
SHINGLE_WORDS = 3
EMPTY_SLOT = 0xFFFF
_HEAD = struct.Struct(f">BH4B{SIGNATURE_SLOTS}H")
# A stored weight of 4 is 1.0: the heaviest term has 2 * 1.5 * 1.25 = 3.75.
_WEIGHT_UNIT = 4
_EPOCH = datetime.date(1970, 1, 1).toordinal()
# The digits of base 85 in their order (RFC 1924), and their places in a word of 32 bits.
_ALPHABET = np.frombuffer(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    b"!#$%&()*+-;<=>?@^_`{|}~",
    dtype=np.uint8,
)
_POWERS = np.array([85**4, 85**3, 85**2, 85, 1])
_NO_DIGIT = 255
_DIGITS = np.full(256, _NO_DIGIT, dtype=np.uint8)
_DIGITS[_ALPHABET] = np.arange(len(_ALPHABET))
# Odd, as in xxHash.
_MIX = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64
)


class FingerprintError(ValueError):
    """The text is not a fingerprint, or one of a version that this code does not compare."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fingerprint:
    """A decoded fingerprint. `hashes` (24 bits), `weights` (1 to 15) and `kinds` run in parallel; `day` counts from
    1970-01-01, 0 if unknown; `signature` has SIGNATURE_SLOTS minima, EMPTY_SLOT where a slot has none; `part` says
    that the mention is a part of a longer text, which reports other incidents too."""

    day: int
    hashes: NDArray[np.uint32]
    weights: NDArray[np.uint8]
    kinds: NDArray[np.uint8]
    signature: NDArray[np.uint16]
    part: bool = False
    outcome: bool = False  # a fine, settlement or trial: follows an earlier incident


def fingerprint(
    title: str,
    text: str,
    published: str | None = None,
    key: bytes = b"",
    part: bool = False,
) -> str:
    """Return the fingerprint of a mention.

    `published` is an ISO 8601 date or datetime. `key` is a secret of up to 64 bytes, the
    same for all fingerprints that are compared. `part` is as in Fingerprint.
    """
    found = terms(title, text, MAX_TERMS)
    digests = digests_of(key).of_codes(
        np.concatenate((found.codes, found.sequence)), found.plain
    )
    kinds = found.kinds.astype(np.uint64)
    weights = found.weights
    stored = np.minimum(np.rint(weights * _WEIGHT_UNIT), 15).astype(np.uint64)
    codes = digests[: len(kinds)] & np.uint64(0xFFFFFF)
    words = digests[len(kinds) :]
    rows = np.sort(kinds << np.uint64(28) | codes << np.uint64(4) | stored)
    alone = np.ones(
        len(rows), dtype=np.bool_
    )  # of two terms with one hash, the heavier
    alone[:-1] = rows[1:] >> np.uint64(4) != rows[:-1] >> np.uint64(4)
    rows = rows[alone]
    return encode(
        Fingerprint(
            day=day_of(published),
            hashes=(rows >> np.uint64(4) & np.uint64(0xFFFFFF)).astype(np.uint32),
            weights=(rows & np.uint64(15)).astype(np.uint8),
            kinds=(rows >> np.uint64(28)).astype(np.uint8),
            signature=_signature(words),
            part=part,
            outcome=reports_outcome(title, text),
        )
    )


def encode(fingerprint: Fingerprint) -> str:
    """Encode a fingerprint in at most 600 ASCII characters that JSON does not escape.

    `kinds` must ascend.
    """
    counts = np.bincount(fingerprint.kinds, minlength=len(TermKind)).tolist()
    version = FINGERPRINT_VERSION | PART * fingerprint.part
    version |= OUTCOME * fingerprint.outcome
    head = _HEAD.pack(
        version, fingerprint.day, *counts, *fingerprint.signature.tolist()
    )
    codes = (
        fingerprint.hashes.astype(">u4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    )
    nibbles = np.zeros((len(fingerprint.weights) + 1) // 2 * 2, dtype=np.uint8)
    nibbles[: len(fingerprint.weights)] = fingerprint.weights
    weights = (nibbles[::2] << 4 | nibbles[1::2]).astype(np.uint8).tobytes()
    return _base85(head + codes + weights)


def _base85(packed: bytes) -> str:
    """Return what base64.b85encode does, in a quarter of its time."""
    padding = -len(packed) % 4
    words = np.frombuffer(packed + bytes(padding), dtype=">u4").astype(np.int64)
    digits = words[:, None] // _POWERS % 85
    encoded = _ALPHABET[digits].tobytes()
    return str(encoded[: len(encoded) - padding], "ascii")


def _from_base85(encoded: str) -> bytes:
    """Return what base64.b85decode does, in a tenth of its time. Raises ValueError."""
    padding = -len(encoded) % 5
    characters = encoded.encode("ascii") + b"~" * padding
    digits = _DIGITS[np.frombuffer(characters, dtype=np.uint8)]
    words = digits.reshape(-1, 5) @ _POWERS
    if (digits == _NO_DIGIT).any() or (words >= 1 << 32).any():
        raise ValueError("not base 85")
    packed: bytes = words.astype(">u4").tobytes()
    return packed[: len(packed) - padding]


def decode(encoded: str) -> Fingerprint:
    """Decode a fingerprint. Raises FingerprintError."""
    try:
        packed = _from_base85(encoded)
        version, day, *rest = _HEAD.unpack_from(packed)
    except (ValueError, struct.error) as error:
        raise FingerprintError(
            "not a fingerprint: classify the item again to get one"
        ) from error
    if version & ~(PART | OUTCOME) != FINGERPRINT_VERSION:
        raise FingerprintError(
            f"fingerprint of version {version}, not {FINGERPRINT_VERSION}: classify the item again"
        )
    counts = rest[:4]
    signature = rest[4:]
    total = sum(counts)
    if len(packed) != _HEAD.size + 3 * total + (total + 1) // 2 or total > MAX_TERMS:
        raise FingerprintError(
            "a fingerprint of the wrong length: classify the item again to get one"
        )
    raw = np.frombuffer(packed, dtype=np.uint8, offset=_HEAD.size)
    triples = raw[: 3 * total].reshape(total, 3).astype(np.uint32)
    nibbles = raw[3 * total :]
    return Fingerprint(
        day=day,
        hashes=(triples[:, 0] << 16 | triples[:, 1] << 8 | triples[:, 2]).astype(
            np.uint32
        ),
        weights=np.stack((nibbles >> 4, nibbles & 15), axis=1).reshape(-1)[:total],
        kinds=np.repeat(np.arange(len(counts), dtype=np.uint8), counts),
        signature=np.array(signature, dtype=np.uint16),
        part=bool(version & PART),
        outcome=bool(version & OUTCOME),
    )


def alike(a: Fingerprint, b: Fingerprint) -> float:
    """Return the estimated Jaccard similarity of the shingles of two mentions, 0 to 1.

    0 if one is too short to tell.
    """
    return float(alike_all(a.signature, b.signature[None, :])[0])


def alike_all(one: NDArray[np.uint16], many: NDArray[np.uint16]) -> NDArray[np.float64]:
    """`alike` of one signature with each row of `many`."""
    filled = (one != EMPTY_SLOT) & (many != EMPTY_SLOT)
    same = filled & (one == many)
    # A slot that only one of the two fills speaks against them; half must be filled to say anything.
    used = ((one != EMPTY_SLOT) | (many != EMPTY_SLOT)).sum(axis=1)
    enough = filled.sum(axis=1) * 2 >= SIGNATURE_SLOTS
    return np.where(enough, same.sum(axis=1) / np.maximum(used, 1), 0.0)


def day_of(published: str | None) -> int:
    """Days since 1970-01-01 of an ISO 8601 date or datetime; 0 for None, for nonsense and for what is out of range."""
    try:
        day = datetime.date.fromisoformat((published or "")[:10]).toordinal() - _EPOCH
    except ValueError:
        return 0
    return day if 0 < day < 1 << 16 else 0


def _signature(words: NDArray[np.uint64]) -> NDArray[np.uint16]:
    slots = np.full(SIGNATURE_SLOTS, EMPTY_SLOT, dtype=np.uint64)
    if len(words) >= SHINGLE_WORDS:
        shingles = np.zeros(len(words) - SHINGLE_WORDS + 1, dtype=np.uint64)
        for i in range(SHINGLE_WORDS):
            shingles += (
                words[i : len(shingles) + i] * _MIX[i]
            )  # wraps around at 64 bits, as it should
        shingles ^= shingles >> np.uint64(29)
        shingles *= _MIX[0]
        slot = (shingles >> np.uint64(60)).astype(np.intp)
        np.minimum.at(slots, slot, (shingles >> np.uint64(40)) & np.uint64(0xFFFF))
    return slots.astype(np.uint16)


def shared_terms(
    text: str, other: Fingerprint, key: bytes = b""
) -> list[tuple[int, int, int]]:
    """Return (start, end, index in `other.hashes`) of each word or run that both have.

    Offsets are code points of `text`.
    """
    found = list(spans(text))
    words = [term for term, _, _ in found]
    hashes = digests_of(key).of_words(words) & np.uint64(0xFFFFFF)
    indices = {
        term_hash: index for index, term_hash in enumerate(other.hashes.tolist())
    }
    return [
        (start, end, indices[term_hash])
        for (_, start, end), term_hash in zip(found, hashes.tolist(), strict=True)
        if term_hash in indices
    ]
