"""Interface text in English and Chinese: gettext catalogues, chosen by cookie or browser."""

from __future__ import annotations

import gettext
from functools import cache
from pathlib import Path

from flask import g, has_request_context, request

LANGUAGES = {"en": "English", "zh": "中文"}
COOKIE = "iw_lang"
_FOLDER = Path(__file__).parent / "locale"


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


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation("dashboard", _FOLDER, [language], fallback=True)


def entries(name: str, prefix: str) -> list[tuple[str, str]]:
    """Return (text, translation) of a language's catalogue for texts with a prefix.

    The prefix is left out.
    """
    known: dict[object, str] = getattr(_catalogue(name), "_catalog", {})
    return [
        (text.removeprefix(prefix), translation)
        for text, translation in known.items()
        if isinstance(text, str) and text.startswith(prefix)
    ]


def translate(text: str) -> str:
    """Return the text in the language of the current request."""
    return _catalogue(current()).gettext(text)


def translate_number(one: str, many: str, n: int) -> str:
    """Return the text for this number in the language of the current request."""
    return _catalogue(current()).ngettext(one, many, n)
