"""A text as the model reads it: sentences with their words, their pairs of Chinese characters and their concepts.

Words are strings, pairs are numbers (see bigrams.py). Pairs are found once for the whole text; a sentence has a slice.
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
from services.classifier.labelling.hashing import hashes_of_pairs
from services.classifier.labelling.lexicon import Lexicon
from services.classifier.text.bigrams import Codes, bigrams, is_han, letters
from services.classifier.text.sentences import Span, considered, sentences
from services.classifier.text.stop_words import STOP_WORDS

TITLE_CHARS = 1_000  # a longer one is read that far
OPENING_SENTENCES = 8
MIN_TERMS = 5  # a line with fewer besides numbers is clutter of the page: a section, a caption, a byline, a date
_TOKEN = re.compile("[a-z0-9\u00df-\u024f]+")
_NONE = np.zeros(0, dtype=np.int64)
_NOTHING: set[str] = set()


# A page has a hundred: a frozen dataclass takes three times as long to make.
class Sentence(NamedTuple):
    """A sentence (or clause) with its terms and what the lexicon finds in it.

    `span` is in code points of the text, (0, 0) for the title. `words` are stems;
    `pairs` are the codes of each two adjacent Chinese characters, `hashes` their hashes.
    """

    span: Span = (0, 0)
    words: tuple[str, ...] = ()
    pairs: Codes = _NONE
    hashes: Codes = _NONE
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
    pairs = [(_NONE, _NONE)] * len(spans)
    runs = [_NOTHING] * len(spans)
    if not lower.isascii():
        codes = letters(lower)
        bounds = np.array(spans, dtype=np.int64).reshape(-1, 2)
        pairs = _pairs(codes, bounds)
        runs = lexicon.in_runs(lower, codes, bounds)
    for (start, end), (own, hashes), found in zip(spans, pairs, runs, strict=True):
        words = _TOKEN.findall(lower, start, end)
        if words:
            found = found | lexicon.in_words(words)
        yield Sentence(
            (start + offset, end + offset),
            _stems(words) if words else (),
            own,
            hashes,
            *lexicon.meaning(frozenset(found)),
        )


def _lower(text: str) -> str:
    """In lower case, as many characters as before: this one alone would become two."""
    return text.replace("\u0130", "i").lower()


def _stems(words: list[str]) -> tuple[str, ...]:
    return tuple([_term(word) for word in words if word not in STOP_WORDS])


@lru_cache(maxsize=1 << 16)
def _term(word: str) -> str:
    """Return the stem of a word; of a number as many zeros as it has digits."""
    if word.isdigit():
        return "0" * len(word)
    return word if word[0].isdigit() else stem(word)


def _pairs(text: Codes, bounds: Codes) -> list[tuple[Codes, Codes]]:
    """Return codes and hashes of the Chinese pairs of each sentence.

    `bounds` are sentences x 2.
    """
    han = is_han(text)
    at = np.flatnonzero(han[:-1] & han[1:])
    if not len(at):
        return [(_NONE, _NONE)] * len(bounds)
    codes = bigrams(text, at)
    hashes = hashes_of_pairs(codes)
    starts = np.searchsorted(at, bounds[:, 0]).tolist()
    ends = np.searchsorted(at, bounds[:, 1] - 1).tolist()
    return [
        (codes[start:end], hashes[start:end])
        for start, end in zip(starts, ends, strict=True)
    ]


def plain_terms(passage: str) -> frozenset[str | int]:
    """Return the distinct words and pairs of a passage, without its concepts."""
    lower = _lower(passage)
    ((pairs, _),) = _pairs(letters(lower), np.array([(0, len(lower))]))
    return frozenset((*_stems(_TOKEN.findall(lower)), *pairs.tolist()))


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
    return wanted <= 0 or len([1 for w in sentence.words if w[0] != "0"]) >= wanted


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
