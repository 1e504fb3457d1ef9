"""Interface text in the language of the request, chosen by cookie or browser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from flask import g, has_request_context, request

from services.api.catalogue import LANGUAGES, catalogue

COOKIE = "iw_lang"


def current() -> str:
    """Return the language of the current request: a key of LANGUAGES."""
    if not has_request_context():
        return "en"
    found: str | None = g.get("language")
    if found is None:
        chosen = request.cookies.get(COOKIE, "")
        best = request.accept_languages.best_match(list(LANGUAGES), default="en")
        found = chosen if chosen in LANGUAGES else str(best)
        g.language = found
    return found


def entries(name: str, prefix: str) -> list[tuple[str, str]]:
    """Return (text, translation) of a language's catalogue for texts with a prefix.

    The prefix is left out.
    """
    known: dict[object, str] = getattr(catalogue(name), "_catalog", {})
    return [
        (text.removeprefix(prefix), translation)
        for text, translation in known.items()
        if isinstance(text, str) and text.startswith(prefix)
    ]


def joined(words: Iterable[str]) -> str:
    """Return the words as a list within a sentence of the current language."""
    return _list_comma(current()).join(words)


def _list_comma(name: str) -> str:
    # In Chinese it is other than the one between clauses.
    return catalogue(name).pgettext("list", ", ")


def translate(text: str) -> str:
    """Return the text in the language of the current request."""
    return catalogue(current()).gettext(text)


def translate_number(one: str, many: str, n: int) -> str:
    """Return the text for this number in the language of the current request."""
    return catalogue(current()).ngettext(one, many, n)


@cache
def of_templates(name: str) -> Mapping[str, Callable[..., str] | str]:
    """Return `_` and `ngettext` as templates call them, and the marks of a sentence.

    Both take a text and values by name. What they return is text, which the template
    escapes: a stranger's words may be in it.
    """
    texts = catalogue(name)

    def of_one(text: str, **values: Any) -> str:
        found = texts.gettext(text)
        return found % values if values else found

    def of_number(one: str, many: str, num: int) -> str:
        return texts.ngettext(one, many, num) % {"num": num}

    return {
        "_": of_one,
        "ngettext": of_number,
        "comma": of_one(", "),
        "semicolon": of_one("; "),
        "colon": of_one(": "),
        "full_stop": of_one(". "),
        "list_comma": _list_comma(name),
    }
