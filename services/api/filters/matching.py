"""Decide a parsed query on the facts of one item, incident or event. Pure.

sql.py turns the same tree into SQL; tests hold the two to the same answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from incidentwire.stem import stem
from services.api.filters.parser import All, Any, Field, Node, Not, Words
from services.api.text.index_terms import (
    ENGLISH,
    indexed,
    is_divided_in,
    is_open,
    query_tokens,
    stems,
)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of one item, incident or event when a filter decides on it.

    `text` is the title, a line break, and the text; `sources` and `entities` are folded (see `fold`), the latter in
    every spelling; `countries` are codes, `topics` folded names; `days` are the ISO days of the first
    and the last report.
    """

    text: str = ""
    labels: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    entities: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    days: tuple[str, str] = ("", "")
    types: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    _folded: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    def indexed_text(self) -> str:
        """Return the tokens of the text, a space around each; computed once."""
        if "text" not in self._folded:
            # The index keeps title and text apart, so no phrase crosses the line.
            title, _, rest = self.text.partition("\n")
            self._folded["text"] = f" {indexed(title)} \n {indexed(rest)} "
        return self._folded["text"]

    def indexed_stems(self) -> str:
        """Return the stems of the text, a space around each; computed once."""
        if "stems" not in self._folded:
            self._folded["stems"] = f" {stems(self.indexed_text().split())} "
        return self._folded["stems"]


def matches(node: Node, facts: Facts) -> bool:
    """Return whether the facts satisfy the query."""
    match node:
        case Words():
            return _has_words(node, facts)
        case Field():
            return _has_field(node, facts)
        case Not():
            return not matches(node.part, facts)
        case All():
            return all(matches(part, facts) for part in node.parts)
        case Any():
            return any(matches(part, facts) for part in node.parts)


def _has_words(words: Words, facts: Facts) -> bool:
    """Decide as index_terms.expression does in the index."""
    tokens = query_tokens(words.text)
    if not tokens:
        return False
    text = facts.indexed_text()
    phrase = " " + " ".join(tokens)
    if words.prefix or is_open(tokens):
        return phrase in text
    if f"{phrase} " in text:
        return True
    if len(tokens) > 1 or not ENGLISH.fullmatch(tokens[0]):
        if words.quoted:
            return False
        return any(is_divided_in(words.text, field) for field in text.split("\n"))
    root = f" {stem(tokens[0])} "
    return root in text or root in facts.indexed_stems()


# field -> the facts of which one must be its value
_SETS = {
    "label": "labels",
    "entity": "entities",
    "country": "countries",
    "topic": "topics",
    "lang": "languages",
    "status": "statuses",
    "state": "states",
    "subject": "subjects",
}


def _has_field(wanted: Field, facts: Facts) -> bool:
    value = wanted.value
    match wanted.name:
        case "source":
            return any(s == value or s.endswith(f" {value}") for s in facts.sources)
        case "after":
            return facts.days[1] >= value
        case "before":
            return bool(facts.days[0]) and facts.days[0] < value
        case "type":
            return any(_is_type(name, value) for name in facts.types)
        case name:
            return value in getattr(facts, _SETS[name])


def _is_type(name: str, wanted: str) -> bool:
    return name == wanted or (wanted.endswith(".") and name.startswith(wanted))


def fields_used(node: Node) -> frozenset[str]:
    """Return the names of the fields in a query; `text` stands for words and phrases."""
    match node:
        case Words():
            return frozenset({"text"})
        case Field():
            return frozenset({node.name})
        case Not():
            return fields_used(node.part)
        case All() | Any():
            return frozenset().union(*(fields_used(part) for part in node.parts))


def field_values(node: Node, name: str) -> list[str]:
    """Return the values of one field in a query, in their order."""
    match node:
        case Field():
            return [node.value] if node.name == name else []
        case Not():
            return field_values(node.part, name)
        case All() | Any():
            return [found for part in node.parts for found in field_values(part, name)]
        case _:
            return []
