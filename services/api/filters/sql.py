"""Turn a parsed query into SQL conditions on items and incidents. Pure.

matching.py decides the same tree on facts; tests hold the two to the same answers. In
conditions, `i` is the table of the subject: items for `item`, incidents for `incident`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any as AnyValue

from services.api.filters.parser import (
    All,
    Any,
    Field,
    FilterError,
    Node,
    Not,
    Words,
    parse,
)
from services.api.text.aliases import phrase
from services.api.text.index_terms import expression

Condition = tuple[str, list[AnyValue]]  # SQL with question marks, their values
NOTHING: Condition = ("FALSE", [])
EVERYTHING: Condition = ("TRUE", [])

_OF_INCIDENT = "i.n IN (SELECT m.incident FROM item_incidents m JOIN items t ON t.n = m.n WHERE {})"
_INCIDENT_OF_WORDS = (
    "i.n IN (SELECT m.incident FROM (SELECT rowid FROM words WHERE words MATCH ?{})"
    " w CROSS JOIN item_incidents m ON m.n = w.rowid"
    " UNION SELECT n FROM incidents WHERE named = 1 AND ({}))"
)
NEWEST = 5_000  # items that have a word, among which `newest_incident` looks
_HAS_WORDS = "{}.n IN (SELECT rowid FROM words WHERE words MATCH ?)"
_FROM_SOURCE = (
    "({0}.host IN (SELECT host FROM (SELECT DISTINCT host FROM items)"
    " WHERE is_source(host, ?)) OR {0}.site IN (SELECT site FROM"
    " (SELECT DISTINCT site FROM items) WHERE is_source(site, ?)))"
)


@dataclass(frozen=True, kw_only=True)
class Driven:
    """A query whose matches the index of words yields by itself, the newest first.

    Matches satisfy the FTS5 `expression` and `rest`. `words` are those of the expression
    if any one of them is enough, which is what incidents are found by; else empty.
    """

    expression: str
    rest: Node
    words: tuple[Words, ...]


def driven(node: Node) -> Driven | None:
    """Return the query as a search in the index and the rest; None if it is none."""
    parts = node.parts if isinstance(node, All) else (node,)
    found = [(part, _in_index(part)) for part in parts]
    expressions = [expression for _, expression in found if expression]
    if not expressions:
        return None
    rest = tuple(part for part, expression in found if expression is None)
    inside = [part for part, expression in found if expression]
    words = _alternatives(inside[0]) if len(inside) == 1 else ()
    joined = " AND ".join(f"({expression})" for expression in expressions)
    return Driven(expression=joined, rest=All(rest), words=words)


def _in_index(node: Node) -> str | None:
    """Return the FTS5 expression of words, or of words joined by OR."""
    found = [_expression(words) for words in _alternatives(node)]
    known = [expression for expression in found if expression]
    return " OR ".join(known) if found and len(known) == len(found) else None


def _alternatives(node: Node) -> tuple[Words, ...]:
    """Return the words of which one is enough; empty for any other query."""
    if isinstance(node, Words):
        return (node,)
    parts = node.parts if isinstance(node, Any) else ()
    words = tuple(part for part in parts if isinstance(part, Words))
    return words if len(words) == len(parts) else ()


def rest_of_items(node: Node) -> Condition:
    """Return the condition on items that the index of words has found.

    The table `words` stands beside `i`: SQLite then reads no row of `items` for a match
    without the label.
    """
    return _condition(node, _item_words, ITEM_FIELDS_OF_WORDS)


def titled(words: Sequence[Words]) -> Condition:
    """Return the condition that a title given by a person has one of the words."""
    sql, values = _in_title(words, "i.title")
    return f"i.named = 1 AND ({sql})", values


def item(query: Node | str) -> Condition:
    """Return the condition on items. Raises FilterError, also for fields of events."""
    tree = _tree(query)
    fields = ITEM_FIELDS_BESIDE_WORDS if needs_words(tree) else ITEM_FIELDS
    return _condition(tree, _item_words, fields)


def incident(query: Node | str) -> Condition:
    """Return the condition on incidents. Raises FilterError like `item`."""
    return _condition(_tree(query), _incident_words, INCIDENT_FIELDS)


def newest_incident(query: Node | str, order: str = "DESC") -> Condition:
    """Return the condition on incidents with a word in the NEWEST items that have it.

    It finds the newest incidents in a time that does not grow with the archive, but not
    all: use `incident` if it finds too few. With order ASC, the items are the oldest.
    Words after NOT are looked for in all items: to find them is to leave an incident out.
    """
    bound = f" ORDER BY rowid {order} LIMIT {NEWEST}"
    return _condition(
        _tree(query),
        lambda words: _incident_words(words, bound),
        INCIDENT_FIELDS,
        _incident_words,
    )


def needs_words(node: Node) -> bool:
    """Return whether every match has a word or phrase of the query."""
    match node:
        case Words():
            return True
        case All():
            return any(needs_words(part) for part in node.parts)
        case Any():
            return all(needs_words(part) for part in node.parts)
        case _:
            return False


def ranking(node: Node) -> str | None:
    """Return the FTS5 expression of everything positive, to rank by; None if empty."""
    found = list(dict.fromkeys(_positive(node)))
    return " OR ".join(found) or None


def named(condition: Condition, prefix: str) -> tuple[str, dict[str, AnyValue]]:
    """Return the condition with `:prefix0`, `:prefix1` … for its question marks."""
    sql, values = condition
    parts = sql.split("?")
    marks = [f":{prefix}{n}" for n in range(len(values))]
    text = "".join(part + mark for part, mark in zip(parts, [*marks, ""], strict=True))
    return text, {f"{prefix}{n}": value for n, value in enumerate(values)}


def _tree(query: Node | str) -> Node:
    return parse(query) if isinstance(query, str) else query


Compile = Callable[[Sequence[Words]], Condition]  # words of which one is enough
Fields = Mapping[str, Callable[[str], Condition]]


def _condition(
    node: Node, words: Compile, fields: Fields, excluded: Compile | None = None
) -> Condition:
    """Return the condition; `excluded` compiles the words after NOT, if not `words`."""
    match node:
        case Words():
            return words((node,))
        case Field():
            if node.name not in fields:
                message = f"{node.name}: works for streams and subscriptions only."
                raise FilterError(message, 0)
            return fields[node.name](node.value)
        case Not():
            sql, values = _condition(node.part, excluded or words, fields)
            return f"NOT coalesce({sql}, FALSE)", values
        case All():
            parts = [_condition(part, words, fields, excluded) for part in node.parts]
            return _joined(parts, " AND ", EVERYTHING)
        case Any():
            alone = [part for part in node.parts if isinstance(part, Words)]
            others = [part for part in node.parts if not isinstance(part, Words)]
            parts = [_condition(part, words, fields, excluded) for part in others]
            if alone:  # one search in the index for all of them
                parts.append(words(alone))
            return _joined(parts, " OR ", NOTHING)


def _joined(parts: Sequence[Condition], word: str, empty: Condition) -> Condition:
    if not parts:
        return empty
    sql = word.join(f"({part})" for part, _ in parts)
    return sql, [value for _, values in parts for value in values]


def _positive(node: Node) -> Sequence[str]:
    match node:
        case Words():
            found = _expression(node)
            return [found] if found else []
        case All() | Any():
            return [text for part in node.parts for text in _positive(part)]
        case _:
            return []


# -- words and fields ------------------------------------------------------------------


def _expression(words: Words) -> str | None:
    return expression(words.text, is_prefix=words.prefix, is_quoted=words.quoted)


def _any_of(words: Sequence[Words]) -> str | None:
    """Return the FTS5 expression of any of the words; None if none can be looked for."""
    found = [_expression(one) for one in words]
    return " OR ".join(one for one in found if one) or None


def _item_words(words: Sequence[Words]) -> Condition:
    found = _any_of(words)
    return (_HAS_WORDS.format("i"), [found]) if found else NOTHING


def _incident_words(words: Sequence[Words], bound: str = "") -> Condition:
    found = _any_of(words)
    if found is None:
        return NOTHING
    in_title, values = _in_title(words, "title")
    return _INCIDENT_OF_WORDS.format(bound, in_title), [found, *values]


def _in_title(words: Sequence[Words], column: str) -> Condition:
    """Return the condition that a title has one of the words."""
    names = ["has_words" if one.quoted or one.prefix else "has_word" for one in words]
    parts = [f"{name}({column}, ?)" for name in names]
    return " OR ".join(parts), [one.text for one in words]


# every spelling of the entity that a name belongs to, or the name alone
_SPELLINGS = (
    "SELECT b.{} FROM entity_spellings a JOIN entity_spellings b"
    " ON b.entity = a.entity WHERE a.spelling = ?"
)
_WITH_ENTITY = (
    "SELECT rowid FROM words WHERE words MATCH coalesce("
    f"(SELECT group_concat(phrase, ' OR ') FROM ({_SPELLINGS.format('phrase')})), ?)"
)
_TITLE_HAS_ENTITY = (
    "i.named = 1 AND EXISTS (SELECT 1 FROM (SELECT ? AS name UNION"
    f" {_SPELLINGS.format('spelling')}) s WHERE has_words(i.title, s.name))"
)
_INCIDENT_OF_ENTITY = (
    f"i.n IN (SELECT m.incident FROM ({_WITH_ENTITY}) w"
    " CROSS JOIN item_incidents m ON m.n = w.rowid"
    f" UNION SELECT i.n FROM incidents i WHERE {_TITLE_HAS_ENTITY})"
)


def _entity(value: str) -> Condition:
    found = phrase(value)
    return (f"i.n IN ({_WITH_ENTITY})", [value, found]) if found else NOTHING


def _compared(sql: str) -> Callable[[str], Condition]:
    return lambda value: (sql, [value] * sql.count("?"))


def _through_items(of_item: Callable[[str], Condition]) -> Callable[[str], Condition]:
    def condition(value: str) -> Condition:
        sql, values = of_item(value)
        return _OF_INCIDENT.format(sql), values

    return condition


def _incident_entity(value: str) -> Condition:
    found = phrase(value)
    if not found:
        return NOTHING
    return _INCIDENT_OF_ENTITY, [value, found, value, value]


_IN_INCIDENT = (
    "i.id IN (SELECT m.item FROM memberships m JOIN incidents c ON c.n = m.incident"
    " WHERE {})"
)
ITEM_FIELDS: Fields = {
    "label": _compared("i.n IN (SELECT n FROM item_labels WHERE label = ?)"),
    "source": _compared(_FROM_SOURCE.format("i")),
    "entity": _entity,
    "country": _compared("i.n IN (SELECT n FROM item_countries WHERE country = ?)"),
    "topic": _compared(
        "i.n IN (SELECT t.n FROM item_topics t JOIN topics p ON p.name = t.topic"
        " WHERE p.folded = ?)"
    ),
    "lang": _compared("i.language = ?"),
    "status": _compared(_IN_INCIDENT.format("c.status = ?")),
    "state": _compared("i.state = ?"),
    "after": _compared("i.day >= ?"),
    "before": _compared("i.day < ?"),
    "subject": _compared(f"i.id = ? OR {_IN_INCIDENT.format('c.id = ?')}"),
}
# A unary plus keeps SQLite from an index of a column with few values, EXISTS from the list
# of all items with a label: the index of words leaves fewer rows.
_HAS_VALUE = "EXISTS (SELECT 1 FROM {0} v WHERE v.{1} = ? AND v.n = {2})"
ITEM_FIELDS_BESIDE_WORDS: Fields = {
    **ITEM_FIELDS,
    "label": _compared(_HAS_VALUE.format("item_labels", "label", "i.n")),
    "country": _compared(_HAS_VALUE.format("item_countries", "country", "i.n")),
    "lang": _compared("+i.language = ?"),
    "state": _compared("+i.state = ?"),
    "after": _compared("+i.day >= ?"),
    "before": _compared("+i.day < ?"),
}
ITEM_FIELDS_OF_WORDS: Fields = {
    **ITEM_FIELDS_BESIDE_WORDS,
    "label": _compared(_HAS_VALUE.format("item_labels", "label", "words.rowid")),
    "country": _compared(_HAS_VALUE.format("item_countries", "country", "words.rowid")),
}
INCIDENT_FIELDS: Fields = {
    "label": _compared("instr(i.labels, '\"' || ? || '\"')"),
    "source": _through_items(_compared(_FROM_SOURCE.format("t"))),
    "entity": _incident_entity,
    "country": _compared("instr(i.countries, '\"' || ? || '\"')"),
    "topic": _compared(
        "EXISTS (SELECT 1 FROM topics p WHERE p.folded = ?"
        " AND instr(i.topics, json_quote(p.name)))"
    ),
    "lang": _compared("instr(i.languages, '\"' || ? || '\"')"),
    "status": _compared("i.status = ?"),
    "state": _through_items(_compared("t.state = ?")),
    "after": _compared("i.last_report >= ?"),
    "before": _compared("i.first_report < ? AND i.first_report <> ''"),
    "subject": _compared(f"i.id = ? OR {_OF_INCIDENT.format('t.id = ?')}"),
}
