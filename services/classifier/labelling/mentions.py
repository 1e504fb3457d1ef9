"""One item, how many happenings? A normal article has one mention, a round-up has one for each happening it tells of.

Passages that carry a label are compared by the names in them. A name that runs through them, or stands in the title, is
what the article is about: one happening. Without one, neighbours that share no name tell of different happenings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.classifier.labelling.analyzed_text import plain_terms
from services.classifier.labelling.passages import Passage
from services.classifier.text.names import names

MAX_MENTIONS = 40  # a page with more is an index; the first ones stand for it
LEADING_SHARE = 0.4  # a name in this share of the labelled passages is what the whole article is about
MIN_LEADING_PASSAGES = 2
ACRONYM_CHARS = 4
MAX_NAMES = 400
TITLE_WORDS = (
    2  # a paragraph with as many words of the title tells of what the title tells
)
_WORD = re.compile(r"[a-z0-9&\u00c0-\u024f-]+")

Fingerprint = Callable[
    [str, str, bool], str
]  # title, text of the mention, part of a longer text -> compact ASCII


@dataclass(frozen=True, kw_only=True)
class Mention:
    """A stretch of the text, in code points, that speaks of one happening; `fingerprint` is what linking compares."""

    id: str
    start: int
    end: int
    labels: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A passage with the labels that it carries by itself."""

    passage: Passage
    labels: tuple[str, ...]


def happenings(
    title: str, text: str, labelled: Sequence[Labelled]
) -> list[list[Labelled]]:
    """Group labelled passages by incident, in order; at most one group if there is one incident."""
    stretches = [
        text[found.passage.span[0] : found.passage.span[1]] for found in labelled
    ]
    named = _named(stretches)
    listed = any(found.passage.item for found in labelled)
    if (
        len(labelled) < 2
        or _has_leading_name(title, named)
        or not (listed or _beside_the_title(title, stretches))
    ):
        return [list(labelled)] if labelled else []
    groups: list[list[Labelled]] = []
    known: frozenset[str] = frozenset()
    for found, own in zip(labelled, named, strict=True):
        continues = (
            groups and (not own or _ties(known & own) >= 1.0) and not found.passage.item
        )
        if continues:
            groups[-1].append(found)
            known = own or known
        else:
            groups.append([found])
            known = own
    return groups


def _named(stretches: Sequence[str]) -> list[frozenset[str]]:
    """Return the names in each stretch.

    A name that one stretch reveals, by a capital inside a sentence, is looked for in all.
    """
    known = Counter(name for stretch in stretches for name in names(stretch))
    wanted = [
        name
        for name, _ in sorted(known.items(), key=lambda pair: (-pair[1], pair[0]))[
            :MAX_NAMES
        ]
    ]
    found = []
    for stretch in stretches:
        lower = stretch.lower()
        words = set(_WORD.findall(lower))
        longer = (
            name for name in wanted if not _WORD.fullmatch(name) and name in lower
        )
        found.append(frozenset(wanted) & words | frozenset(longer))
    return found


def _ties(shared: frozenset[str]) -> float:
    """How strongly shared names tie two passages: an acronym is mostly an office that has its hand in many things."""
    return sum(
        0.5 if len(name) <= ACRONYM_CHARS and name.isascii() else 1.0 for name in shared
    )


def _beside_the_title(title: str, stretches: Sequence[str]) -> bool:
    """Whether most stretches tell of something that the title does not: they share fewer than two of its words."""
    wanted = plain_terms(title)
    close = sum(
        len(wanted & plain_terms(stretch)) >= TITLE_WORDS
        for stretch in stretches
        if wanted
    )
    return close * 2 < len(stretches)


def _has_leading_name(title: str, named: Sequence[frozenset[str]]) -> bool:
    counts = Counter(name for own in named for name in own)
    in_title = {
        name
        for name, count in counts.items()
        if count >= MIN_LEADING_PASSAGES and name in title.lower()
    }
    most = max(counts.values(), default=0)
    return bool(in_title) or (
        most >= MIN_LEADING_PASSAGES and most >= LEADING_SHARE * len(named)
    )


def single(
    title: str, text: str, labels: tuple[str, ...], fingerprint: Fingerprint
) -> tuple[Mention, ...]:
    """Return the whole text as one mention."""
    return (
        Mention(
            id="m0",
            start=0,
            end=len(text),
            labels=labels,
            fingerprint=fingerprint(title, text, False),
        ),
    )


def several(
    groups: Sequence[Sequence[Labelled]], text: str, fingerprint: Fingerprint
) -> tuple[Mention, ...]:
    """Return a mention per group, from its first passage to its last."""
    found = []
    for number, group in enumerate(groups[:MAX_MENTIONS]):
        start, end = group[0].passage.span[0], group[-1].passage.span[1]
        labels = tuple(dict.fromkeys(label for one in group for label in one.labels))
        heading = group[0].passage.heading
        said = fingerprint(heading, text[start:end], True)
        found.append(
            Mention(
                id=f"m{number}", start=start, end=end, labels=labels, fingerprint=said
            )
        )
    return tuple(found)
