"""Shapes that all views share: strict queries, problems, and small fields. The OpenAPI document is made from these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marshmallow import ValidationError, fields, validate

from incidentwire.web.blueprint import Blueprint as Blueprint
from incidentwire.web.blueprint import QuerySchema as QuerySchema

NO_NUL = r"^[^\x00]*$"  # text search takes none
WITH_NUL = "contains a NUL character: remove it"
MAX_POSITION = 2**53 - 1  # what every JSON reader can hold exactly


class Names(fields.List[str]):
    """Some of a fixed set of names, given by repeating the parameter, by commas, or both."""

    def __init__(self, choices: Sequence[str], description: str) -> None:
        self.choices = choices
        one = fields.String(metadata={"enum": list(choices)})
        super().__init__(
            one, metadata={"description": f"{description}; repeated or comma-separated"}
        )

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **options: Any
    ) -> list[Any]:
        parts = [part.strip() for text in value for part in str(text).split(",")]
        if not set(parts) <= set(self.choices):
            raise ValidationError(f"must be some of {', '.join(self.choices)}")
        return super()._deserialize(parts, attr, data, **options)


class WholeNumber(fields.Integer):
    """A JSON number without a fraction: 3 and 3.0 are the same number, "3" and true are none."""

    def _validated(self, value: Any) -> int:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or value != value // 1
        ):
            raise self.make_error("invalid", input=value)
        return int(value)


def text(description: str, most: int = 200, **options: Any) -> fields.String:
    return fields.String(
        validate=[
            validate.Length(min=1, max=most),
            validate.Regexp(NO_NUL, error=WITH_NUL),
        ],
        metadata={"description": description},
        **options,
    )


def clean(value: str) -> None:
    """Refuse what is no text: NUL, and lone surrogates, which UTF-8 cannot hold."""
    if "\x00" in value:
        raise ValidationError(WITH_NUL)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValidationError(
            "contains a lone surrogate: send well-formed Unicode"
        ) from None


def position(description: str, **options: Any) -> fields.Integer:
    """A position in the log, as a query parameter."""
    check = validate.Range(min=0, max=MAX_POSITION)
    return fields.Integer(
        validate=check, metadata={"description": description}, **options
    )
