"""A topic: a named filter over what reports say. Pure.

A topic is decided on each item; an incident is on a topic if one of its items is, or if the
title that a person gave it matches. The model learns nothing from topics.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from services.api.filters.matching import Facts, fields_used, matches
from services.api.filters.parser import EVERYTHING, FilterError, Node, parse
from services.api.text.folding import fold

ID_CHARS = 26
MAX_NAME = 60  # characters
MAX_DESCRIPTION = 2_000  # characters
MAX_TOPICS = 50  # each is matched against every new item
# Classes of the style sheet: the pages' content security policy allows no inline style.
COLOURS = ("blue", "green", "orange", "pink", "teal", "violet", "brown", "grey")
# Fields that may not decide: they change without the item, or are topics themselves.
EXCLUDED = frozenset({"state", "status", "subject", "topic", "type"})


class TopicError(ValueError):
    """The definition makes no sense; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A topic in force, with its parsed filter."""

    name: str
    tree: Node

    @property
    def needs_text(self) -> bool:
        """Return whether the filter looks for words in stored texts."""
        return "text" in fields_used(self.tree)


def topic_id(name: str) -> str:
    """Return the id of a topic, the subject of its events. Spellings of a name share it."""
    digest = hashlib.sha256(f"topic\n{fold(name)}".encode()).digest()
    return f"t_{base64.b32encode(digest).decode('ascii').lower()[:ID_CHARS]}"


def compile_filter(text: str) -> Node:
    """Parse the filter of a topic. Raises TopicError."""
    try:
        tree = parse(text)
    except FilterError as error:
        where = f" (at character {error.position + 1})"
        raise TopicError(f"The filter cannot be read: {error.message}{where}") from None
    if tree == EVERYTHING:
        raise TopicError("The filter is empty. Write words or fields that decide.")
    unfit = sorted(fields_used(tree) & EXCLUDED)
    if unfit:
        raise TopicError(
            f"A topic cannot depend on {unfit[0]}:, which says nothing about a report."
            " Use words, label:, source:, entity:, country:, lang:, after: or before:."
        )
    return tree


def check_name(name: str) -> None:
    """Raise TopicError if `topic:` could not find the name."""
    if not fold(name) or '"' in name:
        raise TopicError(
            f"{name!r} is no name for a topic. Use letters or digits, and no quotes."
        )


def topics_of(facts: Facts, topics: Iterable[Topic]) -> list[str]:
    """Return the names of the topics that the facts match, in order."""
    return sorted(topic.name for topic in topics if matches(topic.tree, facts))
