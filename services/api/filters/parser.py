"""The filter language: one grammar for search, lists, exports, streams and subscriptions.

    query  = all ("OR" all)*
    all    = one (["AND"] one)*
    one    = ("NOT" | "-") one | "(" query ")" | field ":" value | "phrase" | word | word*

`parse` turns text into a tree, in one pass and with bounded depth. matching.py decides the
tree on the facts of one item, incident or event. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from incidentwire.events import TYPES
from incidentwire.incidents.state import STATUSES
from incidentwire.items import State
from incidentwire.labels import LABELS
from services.api.text.countries import code_of
from services.api.text.folding import fold

MAX_CHARS = 2_000
MAX_TERMS = 50
MAX_DEPTH = 10

# Characters that end a bare word; a quote may also follow a field's colon.
_BREAKS = frozenset(' \t\r\n\u3000()"')
# What keyboards of other languages type: each opening quote with its closing one.
_QUOTES = {'"': '"', "\u201c": "\u201d", "\u201e": "\u201c", "\uff02": "\uff02"}
_WIDE_COLON = "\uff1a"
_OPERATORS = frozenset({"AND", "OR", "NOT"})
_LANGUAGE = re.compile("[a-z]{2,3}")


class FilterError(ValueError):
    """The query cannot be parsed. `position` counts characters from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


@dataclass(frozen=True)
class Words:
    """A word, a phrase of words, or with `prefix` the beginning of a word.

    `quoted` asks for the words as written.
    """

    text: str
    prefix: bool = False
    quoted: bool = False


@dataclass(frozen=True)
class Field:
    """A condition on one field; `value` is normalised by the field's rule."""

    name: str
    value: str


@dataclass(frozen=True)
class Not:
    part: Node


@dataclass(frozen=True)
class All:
    """Every part must match; an empty tuple matches everything."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Any:
    """At least one part must match."""

    parts: tuple[Node, ...]


Node = Words | Field | Not | All | Any
EVERYTHING = All(())


# -- fields --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class FieldRule:
    """What a field means, and how its value is checked and normalised."""

    meaning: str
    normalise: Callable[[str], str]


def _choice(values: tuple[str, ...]) -> Callable[[str], str]:
    def normalise(value: str) -> str:
        wanted = value.casefold()
        if wanted not in values:
            raise ValueError(f"use one of {', '.join(values)}")
        return wanted

    return normalise


def _day(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError("use a day such as 2026-03-31") from None


def _language(value: str) -> str:
    wanted = fold(value)
    if not _LANGUAGE.fullmatch(wanted):
        raise ValueError("use a language code such as en or zh")
    return wanted


def _source(value: str) -> str:
    if "://" in value:
        raise ValueError("use a host such as example.org, or the name of a site")
    return fold(value)


def _event_type(value: str) -> str:
    wanted = value.casefold()
    families = {f"{name.partition('.')[0]}." for name in TYPES}
    if wanted not in TYPES and wanted not in families:
        raise ValueError(
            "use an event type such as item.classified, or item. for all of them"
        )
    return wanted


FieldRules = Mapping[str, FieldRule]
FIELDS: FieldRules = {
    "label": FieldRule(meaning="has this label", normalise=_choice(LABELS)),
    "source": FieldRule(
        meaning="comes from this host or site, subdomains included", normalise=_source
    ),
    "entity": FieldRule(
        meaning="names this person, company or place in a title, in any spelling",
        normalise=fold,
    ),
    "country": FieldRule(
        meaning="names this country in its title or first 1,500 characters",
        normalise=code_of,
    ),
    "topic": FieldRule(
        meaning="is on this topic, which a curator defined", normalise=fold
    ),
    "lang": FieldRule(
        meaning="is in this language (ISO 639-1 code)", normalise=_language
    ),
    "status": FieldRule(
        meaning="belongs to an incident with this status", normalise=_choice(STATUSES)
    ),
    "state": FieldRule(
        meaning="is an item in this state",
        normalise=_choice(tuple(str(state) for state in State)),
    ),
    "after": FieldRule(meaning="was reported on this day or later", normalise=_day),
    "before": FieldRule(meaning="was reported before this day", normalise=_day),
    "type": FieldRule(
        meaning="is an event of this type (streams and subscriptions)",
        normalise=_event_type,
    ),
    "subject": FieldRule(
        meaning="is about the item, incident or feed with this id",
        normalise=lambda value: value,
    ),
}


# -- parsing -------------------------------------------------------------------------


def parse(text: str, rules: FieldRules = FIELDS) -> Node:
    """Parse a query. Empty text matches everything. Raises FilterError."""
    if len(text) > MAX_CHARS:
        raise FilterError(
            f"The query has {len(text):,} characters. Use at most {MAX_CHARS:,}.",
            MAX_CHARS,
        )
    parser = _Parser(list(_tokens(text, rules)), len(text))
    tree = parser.query(0)
    parser.expect_end()
    return tree


@dataclass(frozen=True)
class _Token:
    kind: str  # "(" | ")" | "AND" | "OR" | "NOT" | "term"
    position: int
    node: Node | None = None


def _tokens(text: str, rules: FieldRules) -> Iterator[_Token]:
    """Yield the tokens of the text; each character is looked at once."""
    i = 0
    while i < len(text):
        c = text[i]
        if c in "()":
            yield _Token(c, i)
            i += 1
        elif _opens_quote(text, i):
            phrase, end = _quoted(text, i)
            yield _Token("term", i, Words(phrase, quoted=True))
            i = end
        elif c in _BREAKS:
            i += 1
        elif c == "-" and i + 1 < len(text) and text[i + 1] not in _BREAKS - {'"', "("}:
            yield _Token("NOT", i)
            i += 1
        else:
            token, i = _bare(text, i, rules)
            yield token


def _opens_quote(text: str, start: int) -> bool:
    """Return whether a quote begins; a typographic one may be part of a word."""
    if text[start : start + 1] == '"':
        return True
    closing = _QUOTES.get(text[start : start + 1])
    return closing is not None and text.find(closing, start + 1) > 0


def _quoted(text: str, start: int) -> tuple[str, int]:
    end = text.find(_QUOTES[text[start]], start + 1)
    if end < 0:
        raise FilterError("This quote is not closed. Add a second one.", start)
    if not text[start + 1 : end].strip():
        raise FilterError(
            "There is nothing between the quotes. Write words there, or remove them.",
            start,
        )
    return text[start + 1 : end], end + 1


def _bare(text: str, start: int, rules: FieldRules) -> tuple[_Token, int]:
    """Read a word, an operator, or a field with its value."""
    i = start
    while i < len(text) and text[i] not in _BREAKS | {":", _WIDE_COLON}:
        i += 1
    word = text[start:i]
    if word in _OPERATORS:
        return _Token(word, start), i
    name = word.casefold()
    if i < len(text) and text[i] == ":" and name.isidentifier() and name.isascii():
        return _field(text, start, name, i + 1, rules)
    if text[i : i + 1] == _WIDE_COLON and name in rules:
        return _field(text, start, name, i + 1, rules)
    while i < len(text) and text[i] not in _BREAKS:  # 12:30, http://…
        i += 1
    word = text[start:i]
    prefix = word.endswith("*")
    word = word.rstrip("*")
    if not any(unicodedata.category(c)[0] in "LN" for c in word):
        raise FilterError(
            f"{text[start:i]!r} has no letter or digit to look for. Remove it.", start
        )
    return _Token("term", start, Words(word, prefix)), i


def _field(
    text: str, start: int, name: str, i: int, rules: FieldRules
) -> tuple[_Token, int]:
    if name not in rules:
        known = ", ".join(rules)
        raise FilterError(
            f"{name!r} is not a field. Use one of {known}, or put quotes around the text.",
            start,
        )
    if _opens_quote(text, i):
        value, end = _quoted(text, i)
    else:
        end = i
        while end < len(text) and text[end] not in _BREAKS:
            end += 1
        value = text[i:end]
    if not value.strip():
        raise FilterError(f"{name}: needs a value, such as {name}:…", start)
    try:
        return _Token("term", start, Field(name, rules[name].normalise(value))), end
    except ValueError as error:
        raise FilterError(f"{name}:{value} is not valid: {error}.", start) from None


def _one_sided(operator: str, position: int) -> FilterError:
    """Return the refusal of an operator that lacks a side."""
    return FilterError(
        f"{operator} needs something on both sides. Write a word there, or remove the"
        " operator.",
        position,
    )


class _Parser:
    """Recursive descent over tokens; the depth is bounded by MAX_DEPTH."""

    def __init__(self, tokens: list[_Token], end: int) -> None:
        terms = [token for token in tokens if token.kind == "term"]
        if len(terms) > MAX_TERMS:
            raise FilterError(
                f"The query has {len(terms)} terms. Use at most {MAX_TERMS}.",
                terms[MAX_TERMS].position,
            )
        self._tokens = tokens
        self._end = end
        self._next = 0

    def query(self, depth: int) -> Node:
        parts = [self._all(depth)]
        while self._kind() == "OR":
            position = self._take().position
            if self._kind() in (None, ")", "OR", "AND"):
                raise _one_sided("OR", position)
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else Any(tuple(parts))

    def expect_end(self) -> None:
        if self._kind() == ")":
            raise FilterError(
                'There is no "(" for this ")". Remove it, or add a "(".',
                self._tokens[self._next].position,
            )

    def _all(self, depth: int) -> Node:
        if self._kind() in ("OR", "AND"):
            token = self._take()
            raise _one_sided(token.kind, token.position)
        parts: list[Node] = []
        while self._kind() not in (None, ")", "OR"):
            if self._kind() == "AND":
                position = self._take().position
                if self._kind() in (None, ")", "OR", "AND"):
                    raise _one_sided("AND", position)
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self, depth: int) -> Node:
        token = self._take()
        if depth >= MAX_DEPTH:
            raise FilterError(
                f"The query is nested too deeply. Use at most {MAX_DEPTH} levels.",
                token.position,
            )
        if token.kind == "NOT":
            if self._kind() in (None, ")", "OR", "AND"):
                raise FilterError(
                    "NOT needs something after it. Write a word there, or remove NOT.",
                    token.position,
                )
            return Not(self._one(depth + 1))
        if token.kind == "(":
            inner = self.query(depth + 1)
            if self._kind() != ")":
                raise FilterError('This "(" is not closed. Add a ")".', token.position)
            self._take()
            if inner == EVERYTHING:
                raise FilterError(
                    "There is nothing in the parentheses. Write words there, or remove"
                    " them.",
                    token.position,
                )
            return inner
        if token.node is None:
            raise FilterError(
                f"{token.kind} is out of place. Remove it.", token.position
            )
        return token.node

    def _kind(self) -> str | None:
        return self._tokens[self._next].kind if self._next < len(self._tokens) else None

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += 1
        return token
