"""Whole numbers as they come in addresses, forms and cookies."""

from __future__ import annotations

MAX_DIGITS = 16


def whole_number(text: str | None) -> int | None:
    """Return the whole number, None for anything else.

    `isdigit` alone is also true of "²", which `int` refuses.
    """
    if text and text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS:
        return int(text)
    return None
