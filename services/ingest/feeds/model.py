"""What a feed says, whatever its format: entries, a title, how often to ask, and what is wrong with it. Pure."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

MAX_ENTRIES = 5_000  # of one document; more than that is an archive, and the newest of it are enough
MAX_TITLE = 1_000  # characters, as for any submission
MAX_PROBLEM = 300  # characters

_TAG = re.compile(r"<[^<>]*>")
_NO_TEXT = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]"
)  # controls and lone surrogates
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:[-_].*)?", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry. `url` is absolute, or None where the entry has none; `id` is what the feed calls it; `updated` is a
    date where it is one, else the feed's own words: it is only compared. Dates are ISO 8601, in UTC where timed."""

    url: str | None = None
    id: str = ""
    title: str = ""
    published: str | None = None
    updated: str | None = None
    language: str | None = None


@dataclass(frozen=True, kw_only=True)
class ParsedFeed:
    """What was read. `problem` says what is wrong with the document, also where it could be read all the same; where
    it could not, `reason` is a slug: not_a_feed, ill_formed or unreadable. `period_s` is how often the publisher
    wants to be asked at most; `parts` are the sitemaps that an index names, those to look at first in front."""

    kind: str = ""
    title: str = ""
    language: str | None = None
    entries: tuple[Entry, ...] = ()
    problem: str = ""
    reason: str = ""
    period_s: float = 0.0
    parts: tuple[str, ...] = ()


def unread(reason: str, problem: str) -> ParsedFeed:
    """A document from which nothing can be taken."""
    return ParsedFeed(reason=reason, problem=plain(problem)[:MAX_PROBLEM])


def joined(index: ParsedFeed, parts: list[ParsedFeed]) -> ParsedFeed:
    """An index with the entries of its parts; what is wrong with a part is said, and does not spoil the others."""
    problems = [p.problem for p in (index, *parts) if p.problem]
    entries = newest([entry for part in parts for entry in part.entries])
    nothing = bool(parts) and all(part.reason for part in parts)
    reason = parts[0].reason if nothing else ""
    return replace(
        index, entries=entries, problem="; ".join(problems)[:MAX_PROBLEM], reason=reason
    )


def newest(entries: list[Entry]) -> tuple[Entry, ...]:
    """The entries in their order, at most MAX_ENTRIES: of more, those with the latest dates."""
    if len(entries) <= MAX_ENTRIES:
        return tuple(entries)
    by_date = sorted(
        entries, key=lambda entry: entry.updated or entry.published or "", reverse=True
    )
    return tuple(by_date[:MAX_ENTRIES])


def plain(text: object, *, markup: bool = False) -> str:
    """Text in one line, without control characters; with `markup`, without tags and entities too."""
    if not isinstance(text, str):
        return ""
    if markup:
        text = html.unescape(_TAG.sub(" ", text))
    return " ".join(_NO_TEXT.sub(" ", text).split())


def plain_title(text: object, *, markup: bool = False) -> str:
    return plain(text, markup=markup)[:MAX_TITLE]


def language_of(*candidates: object) -> str | None:
    """The first that is a language tag, as its primary subtag in lower case."""
    for candidate in candidates:
        match = (
            _LANGUAGE.fullmatch(candidate.strip())
            if isinstance(candidate, str)
            else None
        )
        if match:
            return match[1].lower()
    return None


def iso_date(text: object) -> str | None:
    """An ISO 8601 date or time as ISO 8601, times in UTC; None for anything else."""
    if not isinstance(text, str):
        return None
    text = text.strip()
    try:
        if len(text) <= 10:
            return date.fromisoformat(text).isoformat()
        moment = datetime.fromisoformat(text)
        return rfc3339(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def rfc3339(moment: datetime) -> str:
    """An aware time in UTC, to the second. Raises OverflowError at the ends of the calendar."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
