"""JSON Schemas (2020-12) of the events, derived from the dataclasses."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from incidentwire.events import TYPES, Event
from incidentwire.log.codec import default_of, stored_name

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def data_schema(type_name: str) -> dict[str, Any]:
    """Return the schema of `data` of one event type. Raises KeyError."""
    cls = TYPES[type_name]
    return {"title": type_name, "description": _description(cls), **_object(cls)}


def envelope_schema(type_name: str) -> dict[str, Any]:
    """Return the schema of the CloudEvents 1.0 envelope of one event type."""
    return {
        "$schema": DIALECT,
        "title": type_name,
        "type": "object",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {
                "type": "string",
                "pattern": "^[1-9][0-9]*$",
                "description": "the position, as text",
            },
            "source": {
                "type": "string",
                "description": "names the log: urn:incidentwire:<log_id>",
            },
            "type": {"const": type_name},
            "subject": {
                "type": "string",
                "description": "the item, incident, feed or subscription it is about",
            },
            "time": {"type": "string", "format": "date-time"},
            "sequence": {
                "type": "integer",
                "minimum": 1,
                "description": "the position in the log",
            },
            "datacontenttype": {"const": "application/json"},
            "traceparent": {"type": "string"},
            "data": data_schema(type_name),
        },
        "required": [
            "specversion",
            "id",
            "source",
            "type",
            "subject",
            "time",
            "sequence",
            "data",
        ],
        "additionalProperties": False,
    }


def _object(cls: type[Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    properties = {}
    required = []
    for field in dataclasses.fields(cls):
        name = stored_name(field)
        properties[name] = _schema(hints[field.name])
        if default_of(field) is dataclasses.MISSING:
            required.append(name)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _schema(hint: Any) -> dict[str, Any]:
    origin = typing.get_origin(hint)
    args = typing.get_args(hint)
    if hint is Any:
        return {}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(a) for a in args]}
    if origin is typing.Literal:
        return {"enum": list(args)}
    if origin is tuple and len(args) == 2 and args[1] is not Ellipsis:
        return {
            "type": "array",
            "prefixItems": [_schema(a) for a in args],
            "minItems": 2,
            "maxItems": 2,
        }
    if origin is tuple:
        return {"type": "array", "items": _schema(args[0])}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(args[1])}
    if dataclasses.is_dataclass(hint):
        return _object(typing.cast("type[Any]", hint))
    names = {
        str: "string",
        int: "integer",
        float: "number",
        bool: "boolean",
        type(None): "null",
    }
    return {"type": names[hint]}


def _description(cls: type[Event]) -> str:
    """Return the docstring, unless dataclasses made it up from the signature."""
    doc = " ".join((cls.__doc__ or "").split())
    return "" if doc.startswith(cls.__name__ + "(") else doc
