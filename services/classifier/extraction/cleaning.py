"""Text on clean lines: one normal form, without control and invisible characters."""

from __future__ import annotations

import re

from incidentwire.normal_form import normalize

_LINE_BREAKS = re.compile(r"\r\n?|[\u2028\u2029\x0b\x0c\x85]")
# Controls and invisible formatting; zero-width (non-)joiners stay, since Persian, Hindi and emoji need them.
_UNWANTED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


def clean(text: str) -> str:
    """Return the text on one line: NFC, white space folded, without control and
    invisible formatting characters."""
    line = " ".join(text.split())
    if line.isascii() and line.isprintable():
        return line
    return normalize("NFC", _UNWANTED.sub("", line)).strip()


def clean_lines(text: str) -> str:
    """Return the lines, each as by `clean`, without empty ones."""
    return "\n".join(
        line
        for line in (clean(raw) for raw in _LINE_BREAKS.sub("\n", text).split("\n"))
        if line
    )
