"""The language of a text, by its script or its most common words, in about 0.1 ms.

docs/decisions/0015 compares it with a library.
"""

from __future__ import annotations

import re

import numpy as np

from incidentwire.latin_languages import UNKNOWN, language_of_words
from services.classifier.text.bigrams import letters

SUPPORTED = ("en", "zh")
SAMPLE_CHARS = 4_000

_SCRIPTS = (  # code points, ascending
    ("el", 0x0370, 0x03FF),
    ("ru", 0x0400, 0x04FF),
    ("he", 0x0590, 0x05FF),
    ("ar", 0x0600, 0x06FF),
    ("hi", 0x0900, 0x097F),
    ("th", 0x0E00, 0x0E7F),
    ("ko", 0x1100, 0x11FF),
    ("ja", 0x3040, 0x30FF),
    ("zh", 0x3400, 0x4DBF),
    ("zh", 0x4E00, 0x9FFF),
    ("ko", 0xAC00, 0xD7AF),
)
_EDGES = np.array([edge for _, first, last in _SCRIPTS for edge in (first, last + 1)])
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]+")
_TAG = re.compile(r"<[^<>]{0,300}>|https?://\S+")


def detect(text: str) -> str:
    """Return the ISO 639-1 code of the language of a text, "und" if it cannot be told.

    The script decides if it has one language; for Latin letters, the common words do.
    """
    sample = text[:SAMPLE_CHARS]
    if "<" in sample or "://" in sample:
        sample = _TAG.sub(" ", sample)
    latin_words = _LATIN.findall(sample)
    # A letter of another script weighs as much as two Latin ones: names and products
    # stay in Latin letters in any text.
    latin_weight = sum(map(len, latin_words)) // 2
    letters_of = _letters_by_language(sample)
    best = max(letters_of, key=letters_of.__getitem__)
    if letters_of[best] and letters_of[best] * 2 >= latin_weight:
        return best
    if not latin_weight:
        return UNKNOWN
    words = " ".join(latin_words).lower().split()
    language = language_of_words(words)
    if language == UNKNOWN and all(word.isascii() for word in words):
        # A headline has few common words. Most of the wire is in English.
        return "en"
    return language


def _letters_by_language(sample: str) -> dict[str, int]:
    """Count the letters of each script that is not Latin."""
    counts = dict.fromkeys((language for language, _, _ in _SCRIPTS), 0)
    if sample.isascii():
        return counts
    # Between the edges, every second interval is a script.
    places = np.searchsorted(_EDGES, letters(sample), side="right")
    intervals = np.bincount(places, minlength=len(_EDGES) + 1)
    for (language, _, _), count in zip(_SCRIPTS, intervals[1::2].tolist(), strict=True):
        counts[language] += count
    if counts["ja"] * 8 > counts["zh"] > 0:  # kana among Chinese characters: Japanese
        counts["ja"] += counts["zh"]
        counts["zh"] = 0
    return counts
