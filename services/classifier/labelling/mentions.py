"""The incidents that one text reports: an article has one mention, a round-up one for each.

Labelled passages are compared by the names in them. A name that most of them share, or
that is in the title, is the subject of the whole article: one incident. Without such a
name, neighbours that share no name report different incidents.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.classifier.labelling.analyzed_text import plain_terms
from services.classifier.labelling.passages import Passage
from services.classifier.text.names import names

MAX_MENTIONS = 40  # a page with more is an index; the first ones are kept
LEADING_SHARE = 0.4  # of the labelled passages, with the name of the article's subject
MIN_LEADING_PASSAGES = 2
ACRONYM_CHARS = 4
ACRONYM_TIE = 0.5  # an acronym is mostly an authority, which acts in many incidents
MAX_NAMES = 400
TITLE_WORDS = 2  # of the title, in a passage that reports what the title does
_WORD = re.compile(r"[a-z0-9&\u00c0-\u024f-]+")

# (title, text of the mention, whether it is part of a longer text) -> compact ASCII
Fingerprint = Callable[[str, str, bool], str]


@dataclass(frozen=True, kw_only=True)
class Mention:
    """The part of a text that reports one incident, from `start` to `end` in code points.

    `fingerprint` is what the linker compares.
    """

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


def group_by_incident(
    title: str, text: str, labelled: Sequence[Labelled]
) -> list[list[Labelled]]:
    """Group labelled passages by incident, in the order of the text.

    Return one group if all report the same incident, none if there are no passages.
    """
    if not labelled:
        return []
    parts = [text[one.passage.span[0] : one.passage.span[1]] for one in labelled]
    named = _names_of(parts)
    if not _is_round_up(title, labelled, parts, named):
        return [list(labelled)]
    groups: list[list[Labelled]] = []
    known: frozenset[str] = frozenset()
    for one, own in zip(labelled, named, strict=True):
        same = not own or _tie(known & own) >= 1.0
        if groups and same and not one.passage.item:
            groups[-1].append(one)
            known = own or known
        else:
            groups.append([one])
            known = own
    return groups


def _is_round_up(
    title: str,
    labelled: Sequence[Labelled],
    parts: Sequence[str],
    named: Sequence[frozenset[str]],
) -> bool:
    """Return True if the passages may report several incidents.

    They are items of a list, or most have little in common with the title.
    """
    if len(labelled) < 2 or _has_leading_name(title, named):
        return False
    listed = any(one.passage.item for one in labelled)
    return listed or _differ_from_title(title, parts)


def _names_of(parts: Sequence[str]) -> list[frozenset[str]]:
    """Return the names in each part.

    A name recognised in one part, by a capital inside a sentence, is searched for in all.
    """
    counts = Counter(name for part in parts for name in names(part))
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    wanted = frozenset(name for name, _ in ranked[:MAX_NAMES])
    several_words = [name for name in wanted if not _WORD.fullmatch(name)]
    found = []
    for part in parts:
        lower = part.lower()
        words = wanted.intersection(_WORD.findall(lower))
        longer = (name for name in several_words if name in lower)
        found.append(words.union(longer))
    return found


def _tie(shared: frozenset[str]) -> float:
    """Return how strongly shared names tie two passages; 1 makes them one incident."""
    return sum(
        ACRONYM_TIE if len(name) <= ACRONYM_CHARS and name.isascii() else 1.0
        for name in shared
    )


def _differ_from_title(title: str, parts: Sequence[str]) -> bool:
    """Return True if most parts share fewer than TITLE_WORDS words with the title."""
    wanted = plain_terms(title)
    if not wanted:
        return bool(parts)
    close = sum(len(wanted & plain_terms(part)) >= TITLE_WORDS for part in parts)
    return close * 2 < len(parts)


def _has_leading_name(title: str, named: Sequence[frozenset[str]]) -> bool:
    """Return True if one name is the subject of the whole article."""
    counts = Counter(name for own in named for name in own)
    lower = title.lower()
    frequent = {name: n for name, n in counts.items() if n >= MIN_LEADING_PASSAGES}
    if any(name in lower for name in frequent):
        return True
    return max(frequent.values(), default=0) >= max(1, LEADING_SHARE * len(named))


def single(
    title: str, text: str, labels: tuple[str, ...], fingerprint: Fingerprint
) -> tuple[Mention, ...]:
    """Return the whole text as one mention."""
    mention = Mention(
        id="m0",
        start=0,
        end=len(text),
        labels=labels,
        fingerprint=fingerprint(title, text, False),
    )
    return (mention,)


def several(
    groups: Sequence[Sequence[Labelled]], text: str, fingerprint: Fingerprint
) -> tuple[Mention, ...]:
    """Return a mention per group, from its first passage to its last."""
    found = []
    for number, group in enumerate(groups[:MAX_MENTIONS]):
        start = group[0].passage.span[0]
        end = group[-1].passage.span[1]
        labels = tuple(dict.fromkeys(label for one in group for label in one.labels))
        heading = group[0].passage.heading
        found.append(
            Mention(
                id=f"m{number}",
                start=start,
                end=end,
                labels=labels,
                fingerprint=fingerprint(heading, text[start:end], True),
            )
        )
    return tuple(found)
