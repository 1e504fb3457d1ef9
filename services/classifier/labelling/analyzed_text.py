"""A text as the model reads it: sentences with the hashes of their terms, and their concepts.

Terms are the stems of words and the pairs of Chinese characters. Hashes are made once for
the whole text; a sentence has slices of them.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import numpy as np

from incidentwire.stem import stem
from services.classifier.labelling.hashing import (
    HASH_BITS,
    HASH_MASK,
    hash_of,
    hashes_of_pairs,
)
from services.classifier.labelling.lexicon import Lexicon
from services.classifier.text.bigrams import (
    Codes,
    bigram,
    bigrams,
    is_han,
    letters,
)
from services.classifier.text.sentences import Span, considered, sentences
from services.classifier.text.stop_words import STOP_WORDS

TITLE_CHARS = 1_000  # a longer one is read that far
OPENING_SENTENCES = 8
MIN_TERMS = 5  # a line with fewer besides numbers is clutter of the page: a section, a caption, a byline, a date
_TOKEN = re.compile("[a-z0-9\u00df-\u024f]+")
_NONE = np.zeros(0, dtype=np.int64)
_NOTHING: set[str] = set()
_STOP_WORD = -1  # in the place of a hash
_NUMBER = 1 << HASH_BITS  # set beside the hash of a number


# A page has a hundred: a frozen dataclass takes three times as long to make.
class Sentence(NamedTuple):
    """A sentence (or clause) with its terms and what the lexicon finds in it.

    `span` is in code points of the text, (0, 0) for the title. `words` are the hashes of
    the stems of its words, with a bit above HASH_MASK set for a number; `pairs` are the
    hashes of each two adjacent Chinese characters.
    """

    span: Span = (0, 0)
    words: tuple[int, ...] = ()
    pairs: Codes = _NONE
    concepts: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class AnalyzedText:
    """A title and the sentences of a text.

    `opening` are the first sentences, at most OPENING_SENTENCES, without page clutter;
    `lead_signals` are those of title and first sentence together.
    """

    title: Sentence
    body: tuple[Sentence, ...]
    opening: Sequence[Sentence]
    lead_signals: tuple[str, ...] = ()


NO_TITLE = Sentence()


def analyze(title: str, text: str, lexicon: Lexicon) -> AnalyzedText:
    """Sentences of title and text with their terms and concepts; of a very long text, of its head and its tail."""
    spans = sentences(text)
    body: list[Sentence] = []
    for start, end in considered(text):
        inside = [
            (first - start, last - start)
            for first, last in spans
            if start <= first < end
        ]
        body += _sentences(text[start:end], inside, start, lexicon)
    head = _title(title[:TITLE_CHARS], lexicon) if title else NO_TITLE
    first = _opening(head, body)
    concepts = frozenset(head.concepts).union(*(one.concepts for one in first[:1]))
    _, lead = lexicon.meaning(concepts)
    return AnalyzedText(title=head, body=tuple(body), opening=first, lead_signals=lead)


def _title(title: str, lexicon: Lexicon) -> Sentence:
    (whole,) = _sentences(title, [(0, len(title))], 0, lexicon)
    return whole._replace(span=(0, 0))


def _sentences(
    text: str, spans: Sequence[Span], offset: int, lexicon: Lexicon
) -> Iterator[Sentence]:
    """Return the sentences at `spans` of a text that begins at `offset`."""
    lower = _lower(text)
    pairs = [_NONE] * len(spans)
    runs = [_NOTHING] * len(spans)
    if not lower.isascii():
        codes = letters(lower)
        bounds = np.array(spans, dtype=np.int64).reshape(-1, 2)
        pairs = _pairs(codes, bounds)
        runs = lexicon.in_runs(lower, codes, bounds)
    for (start, end), own, found in zip(spans, pairs, runs, strict=True):
        words = _TOKEN.findall(lower, start, end)
        if words:
            found = found | lexicon.in_words(words)
        yield Sentence(
            (start + offset, end + offset),
            _terms(words) if words else (),
            own,
            *lexicon.meaning(frozenset(found)),
        )


def _lower(text: str) -> str:
    """In lower case, as many characters as before: this one alone would become two."""
    return text.replace("\u0130", "i").lower()


def _terms(words: list[str]) -> tuple[int, ...]:
    return tuple([term for term in map(_term, words) if term != _STOP_WORD])


@lru_cache(maxsize=1 << 16)
def _term(word: str) -> int:
    """Return the hash of a word's term, _STOP_WORD for a stop word."""
    if word in STOP_WORDS:
        return _STOP_WORD
    return hash_of(_stem(word)) | (_NUMBER if word.isdigit() else 0)


def _stem(word: str) -> str:
    """Return the stem of a word; of a number as many zeros as it has digits."""
    if word.isdigit():
        return "0" * len(word)
    return word if word[0].isdigit() else stem(word)


def _pairs(text: Codes, bounds: Codes) -> list[Codes]:
    """Return the hashes of the Chinese pairs of each sentence.

    `bounds` are sentences x 2.
    """
    codes, at = _pair_codes(text)
    if not len(at):
        return [_NONE] * len(bounds)
    hashes = hashes_of_pairs(codes)
    starts = np.searchsorted(at, bounds[:, 0]).tolist()
    ends = np.searchsorted(at, bounds[:, 1] - 1).tolist()
    return [hashes[start:end] for start, end in zip(starts, ends, strict=True)]


def _pair_codes(text: Codes) -> tuple[Codes, Codes]:
    """Return the codes of the Chinese pairs of a text, and their places."""
    han = is_han(text)
    at = np.flatnonzero(han[:-1] & han[1:])
    return bigrams(text, at), at


def plain_terms(passage: str) -> frozenset[int]:
    """Return the distinct hashes of a passage's terms."""
    lower = _lower(passage)
    words = [term & HASH_MASK for term in _terms(_TOKEN.findall(lower))]
    codes, _ = _pair_codes(letters(lower))
    return frozenset((*words, *hashes_of_pairs(codes).tolist()))


def term_names(passage: str) -> dict[int, str]:
    """Return the terms of a passage by their hashes."""
    lower = _lower(passage)
    words = {_stem(word) for word in _TOKEN.findall(lower) if word not in STOP_WORDS}
    codes, _ = _pair_codes(letters(lower))
    hashes = hashes_of_pairs(codes).tolist()
    pairs = map(bigram, codes.tolist())
    return {hash_of(word): word for word in words} | dict(
        zip(hashes, pairs, strict=True)
    )


def _opening(title: Sentence, body: Sequence[Sentence]) -> Sequence[Sentence]:
    """Return the first sentences that are neither page clutter nor the title again."""
    sentences = (
        sentence
        for sentence in body
        if _tells(sentence) and not _same_terms(sentence, title)
    )
    return tuple(islice(sentences, OPENING_SENTENCES)) or body[:OPENING_SENTENCES]


def _tells(sentence: Sentence) -> bool:
    wanted = MIN_TERMS - len(sentence.pairs)
    return wanted <= 0 or len([1 for w in sentence.words if w < _NUMBER]) >= wanted


def _same_terms(one: Sentence, other: Sentence) -> bool:
    return one.words == other.words and np.array_equal(one.pairs, other.pairs)


def sentences_in(
    reading: AnalyzedText, spans: Iterable[Span]
) -> list[tuple[Sentence, ...]]:
    """Return the sentences of each span."""
    starts = [one.span[0] for one in reading.body]
    ends = [one.span[1] for one in reading.body]
    return [
        reading.body[bisect_left(starts, start) : bisect_right(ends, end)]
        for start, end in spans
    ]


def untitled(body: tuple[Sentence, ...]) -> AnalyzedText:
    """Return these sentences as a document without a title."""
    first = _opening(NO_TITLE, body)
    signals = first[0].signals if first else ()
    return AnalyzedText(title=NO_TITLE, body=body, opening=first, lead_signals=signals)
