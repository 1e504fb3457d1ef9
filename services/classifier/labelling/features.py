"""What the model sees of a document: words, runs of characters, and concepts that meet in one sentence.

A feature is a short string; training keeps those that matter and gives each a weight per label.
    w:leak          a word stem of the text        W:leak        of the title
    泄露            two Chinese characters in a row                          Z:泄露        in the title
    c:law           a concept in some sentence     C:law         in the title         L:law   in the first sentences
    c:law&privacy   two concepts in one sentence   (C: and L: likewise)      d:law  the share of sentences with it
    s:lead:consent  a signal of the lexicon        (lead, title, share of sentences)
    a:consent       in some sentence               e:consent     in an early one          n:consent   how often (log)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import chain, combinations

from services.classifier.labelling.analyzed_text import AnalyzedText, Sentence, opening
from services.classifier.text.bigrams import bigram

LEAD_SENTENCES = 3
EARLY_SENTENCES = 8

Blocks = dict[str, dict[str, float]]  # kind of feature -> name -> value


def kind_of(feature: str) -> str:
    """The letter before the colon; "z" for two Chinese characters, which stand without one: most features are such."""
    return feature[0] if feature[1] == ":" else "z"


def vector(reading: AnalyzedText) -> dict[str, float]:
    """Feature -> value: for training and explanations. Scores are the same sums by arrays, see scoring.py."""
    values = _unit(
        Counter(
            name for sentence in reading.body for name in _terms(sentence, "w:", "")
        )
    )
    values |= _unit(Counter(_terms(reading.title, "W:", "Z:")))
    for kind, block in (
        *concept_values(reading).items(),
        *signal_values(reading).items(),
    ):
        values.update({f"{kind}:{name}": value for name, value in block.items()})
    return values


def _terms(sentence: Sentence, word: str, pair: str) -> Iterator[str]:
    """The names of the words and pairs of a sentence, with the marks of their kinds."""
    return chain(
        (word + stem for stem in sentence.words),
        (pair + bigram(code) for code in sentence.pairs.tolist()),
    )


def _unit(counts: Counter[str]) -> dict[str, float]:
    """Each term weighted sublinearly, and all together to unit length."""
    # Few counts differ, so the norm is summed and the values are looked up by count.
    weights = {count: 1.0 + math.log(count) for count in set(counts.values())}
    norm = (
        math.sqrt(
            sum(
                weights[count] ** 2 * times
                for count, times in Counter(counts.values()).items()
            )
        )
        or 1.0
    )
    scaled = {count: weight / norm for count, weight in weights.items()}
    return {term: scaled[count] for term, count in counts.items()}


def alone_and_paired(concepts: tuple[str, ...]) -> tuple[str, ...]:
    return (*concepts, *(f"{a}&{b}" for a, b in combinations(concepts, 2)))


def concept_values(reading: AnalyzedText) -> Blocks:
    """The concepts, alone and in pairs, by the kind of their feature."""
    total = len(reading.body) or 1
    counts = Counter(
        chain.from_iterable(
            alone_and_paired(sentence.concepts) for sentence in reading.body
        )
    )
    lead = chain.from_iterable(
        alone_and_paired(one.concepts)
        for one in opening(reading.title, reading.body, LEAD_SENTENCES)
    )
    return {
        "d": {name: math.sqrt(count / total) for name, count in counts.items()},
        "c": dict.fromkeys(counts, 1.0),
        "C": dict.fromkeys(alone_and_paired(reading.title.concepts), 1.0),
        # A dict, not a set: sums over features keep one order in every process, whatever the hash seed.
        "L": dict.fromkeys(lead, 1.0),
    }


def signal_values(reading: AnalyzedText) -> Blocks:
    """Per signalled label: in the title, in the lead, in any sentence, and the share of sentences (square root)."""
    total = len(reading.body) or 1
    counts = Counter(name for sentence in reading.body for name in sentence.signals)
    early = (
        name
        for sentence in opening(reading.title, reading.body, EARLY_SENTENCES)
        for name in sentence.signals
    )
    return {
        "a": dict.fromkeys(counts, 1.0),
        "s:share": {name: math.sqrt(count / total) for name, count in counts.items()},
        "s:title": dict.fromkeys(reading.title.signals, 1.0),
        "s:lead": dict.fromkeys(reading.lead_signals, 1.0),
        "e": dict.fromkeys(early, 1.0),
        "n": {name: math.log1p(count) for name, count in counts.items()},
    }
