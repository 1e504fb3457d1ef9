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
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, combinations, islice
from operator import add

from services.classifier.labelling.lexicon import HAN, TOKEN, Lexicon
from services.classifier.labelling.sentences import Span, sentences

LEAD_SENTENCES = 3
EARLY_SENTENCES = 8
MIN_TERMS = 5  # a line with fewer besides numbers is clutter of the page: a section, a caption, a byline, a date
_HAN_RUN = re.compile("[\u3400-\u9fff]+")
STOP_WORDS = frozenset(
    "a an the of to in on at for and or but is are was were be been by with as it its this that these those from has"
    " have had he she they his her their them we our you your i my will would can could may might also than then there"
    " s t into about after over up out so if not no more most which who what when where how all any some such other"
    " said says say new one two".split()
)


def kind_of(feature: str) -> str:
    """The letter before the colon; "z" for two Chinese characters, which stand without one: most features are such."""
    return feature[0] if feature[1] == ":" else "z"


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One sentence (or clause) as the model reads it. `span` is in code points of the text; (0, 0) for the title."""

    span: Span
    terms: tuple[str, ...]
    concepts: tuple[str, ...]
    signals: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reading:
    title: Sentence
    body: tuple[Sentence, ...]
    lead_signals: tuple[str, ...] = ()  # of title and first sentence together


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A crude English stem: plurals and common verb endings off, so that `leaks`, `leaked`, `leaking` are one."""
    if len(word) <= 3 or word[0].isdigit():
        return "0" * len(word) if word.isdigit() else word
    for ending in ("ations", "ation", "ings", "ing", "edly", "ies", "ied", "ed", "es", "ly", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    return word[:-1] if word[-1] in "eyi" and len(word) > 3 else word


def read(title: str, text: str, lexicon: Lexicon) -> Reading:
    """Sentences of title and text with their terms and concepts."""
    body = tuple(_sentence(text[start:end], (start, end), lexicon) for start, end in sentences(text))
    head = _sentence(title[:1_000], (0, 0), lexicon)
    told = Reading(title=head, body=body)
    _, lead = lexicon.meaning(frozenset(head.concepts).union(*(first.concepts for first in opening(told, 1))))
    return replace(told, lead_signals=lead)


def opening(reading: Reading, number: int) -> tuple[Sentence, ...]:
    """The first `number` sentences that are more than the clutter of a page, and not its title over again."""
    told = (sentence for sentence in reading.body if _tells(sentence.terms) and sentence.terms != reading.title.terms)
    return tuple(islice(told, number)) or reading.body[:number]


def _tells(terms: tuple[str, ...]) -> bool:
    return sum(1 for _ in islice((term for term in terms if term[:3] != "w:0"), MIN_TERMS)) == MIN_TERMS


def _sentence(raw: str, span: Span, lexicon: Lexicon) -> Sentence:
    lower = raw.lower()
    words = TOKEN.findall(lower)
    found = lexicon.in_words(words)
    terms = _word_terms(words)
    if HAN.search(lower):
        pairs = list(map(add, lower, lower[1:]))
        found |= lexicon.in_run(lower, pairs)
        terms += _han_terms(lower, pairs)
    concepts, signals = lexicon.meaning(frozenset(found))
    return Sentence(span=span, terms=tuple(terms), concepts=concepts, signals=signals)


def _word_terms(words: list[str]) -> list[str]:
    return ["w:" + stem(word) for word in words if word not in STOP_WORDS]


def _han_terms(lower: str, pairs: list[str]) -> list[str]:
    """Every two Chinese characters in a row; `pairs` are all pairs of characters."""
    return list(chain.from_iterable(pairs[run.start() : run.end() - 1] for run in _HAN_RUN.finditer(lower)))


def plain_terms(passage: str) -> list[str]:
    """The terms of a passage without its concepts."""
    lower = passage.lower()
    return _word_terms(TOKEN.findall(lower)) + _han_terms(lower, list(map(add, lower, lower[1:])))


def vector(reading: Reading) -> dict[str, float]:
    """Feature -> value: of words, of concepts by presence and density, of signals."""
    values = term_values(reading)
    values.update(concept_values(reading))
    values.update(signal_values(reading))
    return values


def term_values(reading: Reading) -> dict[str, float]:
    """The words of text and title, each weighted sublinearly and together to unit length."""
    values = _unit(Counter(chain.from_iterable(sentence.terms for sentence in reading.body)))
    if reading.title.terms:
        values |= _unit(Counter("W" + term[1:] if term[0] == "w" else "Z:" + term for term in reading.title.terms))
    return values


def _unit(counts: Counter[str]) -> dict[str, float]:
    # Few counts differ, so the norm is summed and the values are looked up by count.
    weights = {count: 1.0 + math.log(count) for count in set(counts.values())}
    norm = math.sqrt(sum(weights[count] ** 2 * times for count, times in Counter(counts.values()).items())) or 1.0
    scaled = {count: weight / norm for count, weight in weights.items()}
    return {term: scaled[count] for term, count in counts.items()}


@lru_cache(maxsize=20_000)
def _alone_and_paired(concepts: tuple[str, ...]) -> tuple[str, ...]:
    return (*concepts, *(f"{a}&{b}" for a, b in combinations(concepts, 2)))


def concept_terms(sentence: Sentence) -> tuple[str, ...]:
    """The concepts of a sentence, alone and in pairs."""
    return _alone_and_paired(sentence.concepts)


def concept_values(reading: Reading) -> dict[str, float]:
    total = len(reading.body) or 1
    counts = Counter(name for sentence in reading.body for name in concept_terms(sentence))
    values = {"d:" + name: math.sqrt(count / total) for name, count in counts.items()}
    values.update({"c:" + name: 1.0 for name in counts})
    values.update({"C:" + name: 1.0 for name in concept_terms(reading.title)})
    # A dict, not a set: sums over features keep one order in every process, whatever the hash seed.
    lead = dict.fromkeys(name for sentence in opening(reading, LEAD_SENTENCES) for name in concept_terms(sentence))
    values.update({"L:" + name: 1.0 for name in lead})
    return values


def signal_values(reading: Reading) -> dict[str, float]:
    """Per signalled label: in the title, in the lead, in any sentence, and the share of sentences (square root)."""
    total = len(reading.body) or 1
    counts = Counter(name for sentence in reading.body for name in sentence.signals)
    values = {"a:" + name: 1.0 for name in counts}
    values.update({"s:share:" + name: math.sqrt(count / total) for name, count in counts.items()})
    values.update({"s:title:" + name: 1.0 for name in reading.title.signals})
    values.update({"s:lead:" + name: 1.0 for name in reading.lead_signals})
    early = dict.fromkeys(name for sentence in opening(reading, EARLY_SENTENCES) for name in sentence.signals)
    values.update({"e:" + name: 1.0 for name in early})
    values.update({"n:" + name: math.log1p(count) for name, count in counts.items()})
    return values


def part(reading: Reading, span: Span) -> Reading:
    """The sentences of `span` as a document of their own, without a title."""
    first = bisect_left(reading.body, span[0], key=lambda one: one.span[0])
    after = bisect_right(reading.body, span[1], key=lambda one: one.span[1])
    found = Reading(title=Sentence(span=(0, 0), terms=(), concepts=()), body=reading.body[first:after])
    return replace(found, lead_signals=tuple(name for lead in opening(found, 1) for name in lead.signals))
