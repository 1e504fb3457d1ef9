"""How to cite an incident: text, BibTeX, and an address that always shows the same. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SPECIAL = re.compile(r"([\\{}%&$#_^~])")


def of(incident: Mapping[str, Any], address: str) -> dict[str, str]:
    """Return `text`, `bibtex` and `link` of the incident as of its position."""
    title = " ".join(str(incident["title"] or incident["id"]).split())
    day = str(incident["updated_at"])[:10]
    link = f"{address}?as_of={incident['as_of']}"
    return {
        "link": link,
        "text": (
            f"“{title}.” Incidentwire, incident {incident['id']}, as of position "
            f"{incident['as_of']}, last changed {day}. {link}"
        ),
        "bibtex": (
            f"@misc{{{incident['id']},\n"
            f"  title = {{{{{_escaped(title)}}}}},\n"
            f"  howpublished = {{Incidentwire}},\n"
            f"  year = {{{day[:4]}}},\n"
            f"  note = {{As of position {incident['as_of']}}},\n"
            f"  url = {{{link}}}\n}}"
        ),
    }


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[1], "\\" + found[1]), text)


_ESCAPES = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
}
