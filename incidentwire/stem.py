"""English stems by the Snowball algorithm (Porter 2), for labels and for links.

Source: https://snowballstem.org/algorithms/english/stemmer.html
"""

from __future__ import annotations

from functools import lru_cache
from threading import Lock

import Stemmer

MAX_CHARS = 60  # longer than any word; the algorithm is not linear in the length
MAX_REMEMBERED = 1 << 16  # words, about 10 MB

_stemmer = Stemmer.Stemmer("english", 0)  # without a cache of its own
_lock = Lock()  # the stemmer holds the word that it works on


@lru_cache(maxsize=MAX_REMEMBERED)
def stem(word: str) -> str:
    """Return the stem of a lower-case word.

    Words over MAX_CHARS, and those with a lone surrogate, stay as they are.
    """
    if len(word) > MAX_CHARS:
        return word
    try:
        with _lock:
            return str(_stemmer.stemWord(word))
    except UnicodeEncodeError:
        return word
