"""Messages of the domain in the language of the page: refusals, reasons, field errors.

Services refuse in English sentences, the same for every program, also across HTTP. The
catalogue holds their templates in the context CONTEXT, such as "The item is at version
%(a)s now."; a message is recognised by its template. What stands in a gap is kept, unless
the gap is called `message…`, for a message within another, or `words…`, for words of the
interface joined by commas.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from services.api.dashboard import language

CONTEXT = "message"
SEPARATOR = "\x04"  # of context and text in a compiled catalogue
MAX_CHARS = 4_000  # of a message that is looked up
MAX_DEPTH = 3  # messages within messages
GAP = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True, kw_only=True)
class Template:
    """A message in English, cut at its gaps, and the translation with the same gaps."""

    literals: tuple[str, ...]
    names: tuple[str, ...]
    translation: str

    def filled(self, values: Mapping[str, str]) -> str:
        """Return the translation with these values in its gaps."""
        return GAP.sub(lambda gap: values[gap[1]], self.translation)

    def values(self, message: str) -> dict[str, str] | None:
        """Return what stands in the gaps, None for another message. Linear."""
        first, *middle = self.literals
        if not message.startswith(first):
            return None
        if not middle:
            return {} if message == first else None
        last = middle.pop()
        end = len(message) - len(last)
        if not message.endswith(last) or end < len(first):
            return None
        at = len(first)
        found = []
        for literal in middle:
            place = message.find(literal, at, end)
            if place < 0:
                return None
            found.append(message[at:place])
            at = place + len(literal)
        found.append(message[at:end])
        return dict(zip(self.names, found, strict=True))


def translate(message: object, depth: int = MAX_DEPTH) -> str:
    """Return the message in the language of the current request, else as it is."""
    text = str(message)
    if len(text) > MAX_CHARS or not depth:
        return text
    for template in templates_of(language.current()):
        values = template.values(text)
        if values is not None:
            shown = {
                name: _translate_value(name, value, depth - 1)
                for name, value in values.items()
            }
            return template.filled(shown)
    return text


def _translate_value(name: str, value: str, depth: int) -> str:
    """Return what stands in a gap: a stranger's words stay, ours are translated."""
    if name.startswith("message"):
        return translate(value, depth)
    if name.startswith("words"):
        words = [_translate_word(word) for word in value.split(", ")]
        return language.joined(words)
    return value


def _translate_word(word: str) -> str:
    known = translate(word, 1)
    return language.translate(word) if known == word else known


def templates(entries: Iterable[tuple[str, str]]) -> Sequence[Template]:
    """Return the templates of (English, translation), those with most words first."""
    found = []
    for english, translation in entries:
        parts = GAP.split(english)
        template = Template(
            literals=tuple(parts[::2]),
            names=tuple(parts[1::2]),
            translation=translation,
        )
        found.append(template)
    return sorted(found, key=lambda one: -sum(map(len, one.literals)))


@cache
def templates_of(name: str) -> Sequence[Template]:
    """Return the templates of a language's catalogue."""
    return templates(language.entries(name, CONTEXT + SEPARATOR))
