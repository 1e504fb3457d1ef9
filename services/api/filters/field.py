"""Query parameters with a value of their own: `country`."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields

from services.api.text.countries import code_of


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
