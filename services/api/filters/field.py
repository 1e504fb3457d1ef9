"""Query parameters with a value of their own: `q`, parsed, and `country`."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate

from services.api.filters.parser import MAX_CHARS, FilterError, parse
from services.api.text.countries import code_of

DESCRIPTION = (
    'filter language: words, "phrases", AND, OR, NOT, prefix*, and fields such as '
    "label: source: entity: country: topic: lang: status: after: before: (docs/search.md)"
)


class QueryField(fields.String):
    """Text in the filter language; deserialises to the parsed query."""

    def __init__(self, **options: Any) -> None:
        # The bounds are for the OpenAPI document; `parse` checks the length itself.
        bounds = validate.Length(max=MAX_CHARS)
        super().__init__(metadata={"description": DESCRIPTION}, **options)
        self.bounds = bounds

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **options: Any
    ) -> Any:
        text = super()._deserialize(value, attr, data, **options)
        if "\x00" in text:
            raise ValidationError("Contains a NUL character. Remove it.")
        try:
            return parse(text)
        except FilterError as error:
            where = f" (at character {error.position + 1})"
            raise ValidationError(error.message + where) from None


class CountryField(fields.String):
    """A country by ISO 3166-1 code or name; deserialises to the code."""

    def __init__(self, **options: Any) -> None:
        about = "country named by its items: ISO 3166-1 code, or a name"
        super().__init__(metadata={"description": about}, **options)

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **options: Any
    ) -> Any:
        try:
            return code_of(super()._deserialize(value, attr, data, **options))
        except ValueError as error:
            raise ValidationError(f"Unknown country: {error}.") from None
