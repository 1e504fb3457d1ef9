"""Fold text for comparison: case, width, ligatures and accents. Pure."""

from __future__ import annotations

import re
import unicodedata

from incidentwire.normal_form import normalize

_NOT_WORD = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """Fold case, width, ligatures and accents; keep words, separated by one space."""
    decomposed = normalize("NFKD", text.casefold())
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return _NOT_WORD.sub(" ", plain).strip()
