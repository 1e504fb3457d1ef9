"""Spellings that curators declared to be one entity. Pure.

A declaration says that `alias` is another spelling of `name`. Declarations chain: with
A = B and B = C, all three are one entity, shown as C. Names are compared folded.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.api.text.folding import fold
from services.api.text.index_terms import query_tokens

ID_CHARS = 26


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """`alias` is another spelling of `name`; both as the curator wrote them."""

    alias: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """A folded spelling, the folded name of its entity, and that name as written."""

    spelling: str
    entity: str
    shown: str


def alias_id(alias: str) -> str:
    """Return the id of a spelling, the subject of its events."""
    digest = hashlib.sha256(f"entity\n{fold(alias)}".encode()).digest()
    return f"e_{base64.b32encode(digest).decode('ascii').lower()[:ID_CHARS]}"


def spellings(declarations: Iterable[Declaration]) -> list[Spelling]:
    """Return every spelling of every entity that was declared, the name's own too.

    A circle of declarations, which only two at the same moment can make, is one entity
    with the first of its names in order.
    """
    parents: dict[str, str] = {}
    written: dict[str, str] = {}
    for one in declarations:
        parents[fold(one.alias)] = fold(one.name)
        written[fold(one.alias)] = one.alias
    for one in declarations:
        written[fold(one.name)] = one.name
    roots = {name: _root(name, parents) for name in written}
    return [
        Spelling(spelling=name, entity=root, shown=written[root])
        for name, root in sorted(roots.items())
    ]


def entity_of(name: str, known: Iterable[Spelling]) -> str:
    """Return the folded name of the entity that a name belongs to."""
    wanted = fold(name)
    return next((one.entity for one in known if one.spelling == wanted), wanted)


def phrase(spelling: str) -> str:
    """Return the FTS5 phrase that finds a spelling in titles; "" if it has no token."""
    tokens = query_tokens(spelling)
    return 'title : "' + " ".join(tokens) + '"' if tokens else ""


def _root(name: str, parents: Mapping[str, str]) -> str:
    seen: list[str] = []
    while name in parents:
        if name in seen:
            return min(seen[seen.index(name) :])
        seen.append(name)
        name = parents[name]
    return name
