"""A feed in memory, whatever its format: entries, title, polling period, faults. Pure."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace

from incidentwire import dates

MAX_ENTRIES = 5_000  # of one document; a longer one is an archive of old entries
MAX_TITLE = 1_000  # characters, as for any submission
MAX_PROBLEM = 300  # characters
MIN_FULL_TEXT = 500  # characters; a shorter content element is a teaser
MAX_FULL_TEXT = 200_000  # characters of one entry
MAX_ALL_TEXT = 20_000_000  # characters of all entries of one document

_TAG = re.compile(r"<[^<>]*>")
_BLOCK_TAG = re.compile(
    r"</?(?:p|div|br|h[1-6]|li|ul|ol|tr|table|blockquote|figure|section)\b[^<>]*>",
    re.IGNORECASE,
)
# Controls (C0, C1), lone surrogates, and marks that reorder text on a terminal.
_NO_TEXT = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff]"
)
# Nobody sees them: with them, equal titles differ. Joiners stay: scripts need them.
_NO_WIDTH = re.compile("[\xad\u200b\u2060-\u2064\ufeff]")
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:[-_].*)?", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry.

    `url` is absolute, or None; `id` is the feed's own name for the entry. `published`
    is an ISO 8601 date, or a time in UTC. `updated` is one too if it can be read, else
    the feed's own words: it is only compared. `text` is the whole article, if the feed
    carries it.
    """

    url: str | None = None
    id: str = ""
    title: str = ""
    published: str | None = None
    updated: str | None = None
    language: str | None = None
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class ParsedFeed:
    """A document as it was read.

    `problem` says what is wrong with it, even if it could be read. If it could not,
    `reason` is a slug: not_a_feed, ill_formed or unreadable. `period_s` is the shortest
    period between polls that the publisher wants; `parts` are the sitemaps of an index,
    the most recent first.
    """

    kind: str = ""
    title: str = ""
    language: str | None = None
    entries: tuple[Entry, ...] = ()
    problem: str = ""
    reason: str = ""
    period_s: float = 0.0
    parts: tuple[str, ...] = ()


def unread(reason: str, problem: str) -> ParsedFeed:
    """Return the reading of a document from which nothing can be taken."""
    return ParsedFeed(reason=reason, problem=plain(problem)[:MAX_PROBLEM])


def joined(index: ParsedFeed, parts: list[ParsedFeed]) -> ParsedFeed:
    """Return an index with the entries of its parts; a bad part spoils no other."""
    problems = [part.problem for part in (index, *parts) if part.problem]
    entries = newest([entry for part in parts for entry in part.entries])
    all_failed = bool(parts) and all(part.reason for part in parts)
    return replace(
        index,
        entries=entries,
        problem="; ".join(problems)[:MAX_PROBLEM],
        reason=parts[0].reason if all_failed else "",
    )


def newest(entries: list[Entry]) -> tuple[Entry, ...]:
    """Return the entries in their order; of more than MAX_ENTRIES, the latest."""
    if len(entries) <= MAX_ENTRIES:
        return tuple(entries)
    by_date = sorted(
        entries, key=lambda entry: entry.updated or entry.published or "", reverse=True
    )
    return tuple(by_date[:MAX_ENTRIES])


def plain(text: object, *, markup: bool = False) -> str:
    """Return text in one line, without control characters.

    With `markup`, tags and entities are resolved too.
    """
    if not isinstance(text, str):
        return ""
    if markup:
        text = html.unescape(_TAG.sub(" ", text))
    text = _NO_WIDTH.sub("", text)
    return " ".join(_NO_TEXT.sub(" ", text).split())


def plain_title(text: object, *, markup: bool = False) -> str:
    """Return `plain` text of at most MAX_TITLE characters."""
    return plain(text, markup=markup)[:MAX_TITLE]


def full_text(content: object, *, markup: bool = True) -> str:
    """Return the text of an entry's content in paragraphs; empty if it is a teaser."""
    if not isinstance(content, str):
        return ""
    content = content[: 5 * MAX_FULL_TEXT]
    if markup:
        content = html.unescape(_TAG.sub(" ", _BLOCK_TAG.sub("\n", content)))
    lines = (plain(line) for line in content.split("\n"))
    text = "\n\n".join(line for line in lines if line)[:MAX_FULL_TEXT]
    return text if len(text) >= MIN_FULL_TEXT else ""


def bounded_texts(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Return the entries with the texts that fit into MAX_ALL_TEXT, first come."""
    left = MAX_ALL_TEXT
    kept = []
    for entry in entries:
        left -= len(entry.text)
        kept.append(entry if left >= 0 else replace(entry, text=""))
    return tuple(kept)


def language_of(*candidates: object) -> str | None:
    """Return the primary subtag, in lower case, of the first that is a language tag."""
    for candidate in candidates:
        if not isinstance(candidate, str):
            continue
        match = _LANGUAGE.fullmatch(candidate.strip())
        if match:
            return match[1].lower()
    return None


def published_date(text: object, language: object = "") -> str | None:
    """Return a date, or a time in UTC, as ISO 8601; None if none can be read.

    A time without a known zone gives its day: where it was that time is unknown.
    """
    return dates.known_instant(_parsed(text, language))


def updated_mark(text: object, language: object = "") -> str | None:
    """Return what an entry says of its last update, to be compared with later words."""
    found = _parsed(text, language)
    if found and dates.moment(found):
        return dates.known_instant(found)
    return found or plain(text)[:100] or None


def _parsed(text: object, language: object) -> str | None:
    tag = language if isinstance(language, str) else ""
    return dates.parse(plain(text), language=tag.strip(), epoch=True)
