"""The SQL functions that conditions of the filter language call. Pure."""

from __future__ import annotations

import sqlite3

from services.api.text.folding import fold
from services.api.text.index_terms import (
    indexed,
    is_divided_in,
    is_open,
    query_tokens,
)


def register(db: sqlite3.Connection) -> None:
    """Add the functions to a connection; idempotent."""
    db.create_function("has_words", 2, has_words, deterministic=True)
    db.create_function("has_word", 2, has_word, deterministic=True)
    db.create_function("is_source", 2, is_source, deterministic=True)


def has_words(text: str | None, query: str) -> bool:
    """Return whether a title given by a person has the word or phrase."""
    tokens = query_tokens(query)
    if text is None or not tokens:
        return False
    phrase = " " + " ".join(tokens)
    return (phrase if is_open(tokens) else f"{phrase} ") in f" {indexed(text)} "


def has_word(text: str | None, query: str) -> bool:
    """Return whether a title given by a person has the word, or its parts in Chinese."""
    if has_words(text, query):
        return True
    return text is not None and is_divided_in(query, indexed(text))


def is_source(name: str | None, folded: str) -> bool:
    """Return whether a host or site is the folded source or a subdomain of it."""
    found = fold(name) if name else ""
    return found == folded or found.endswith(f" {folded}")
