"""Texts for people in English and Chinese: one gettext catalogue.

Pages follow the browser (dashboard/language.py); what a subscription sends follows the
language of the subscription.
"""

from __future__ import annotations

import gettext
from functools import cache
from pathlib import Path

LANGUAGES = {"en": "English", "zh": "中文"}
ENGLISH = gettext.NullTranslations()
_FOLDER = Path(__file__).parent / "dashboard" / "locale"


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """Return the texts of a language: a key of LANGUAGES."""
    return gettext.translation("dashboard", _FOLDER, [language], fallback=True)
