"""Checks of texts in requests, for the schemas of both services."""

from __future__ import annotations

from marshmallow import ValidationError

NO_NUL = r"^[^\x00]*$"  # SQLite's text search stops at one
WITH_NUL = "Contains a NUL character. Remove it."
LONE_SURROGATE = "Contains a lone surrogate. Send well-formed Unicode."


def clean(value: str) -> None:
    """Raise ValidationError for NUL and for lone surrogates."""
    without_nul(value)
    well_formed(value)


def without_nul(value: str) -> None:
    """Raise ValidationError for NUL, where no schema shows a pattern."""
    if "\x00" in value:
        raise ValidationError(WITH_NUL)


def well_formed(value: str) -> None:
    """Raise ValidationError for lone surrogates, which have no UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValidationError(LONE_SURROGATE) from None
