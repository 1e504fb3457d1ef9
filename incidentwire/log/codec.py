"""The stored form of events: compact JSON in which fields with their default are omitted.

So a field with a default can be added at any time. A change that old readers would
misread gets a new `version` of its type and an entry in UPCASTS instead. A field is stored
under its own name unless its metadata name another one (`stored`).
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from incidentwire import events
from incidentwire.events import Event

# type -> {stored version: change of its data to the next version}
UPCASTS: Mapping[str, Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}


class UnknownType(ValueError):
    """The log holds an event that this release cannot read: a newer one can."""


class DamagedEvent(UnknownType):
    """The log holds an event whose stored form is broken: no release can read it."""


def stored_type(event: Event) -> str:
    """Return the type as stored: with `:<version>` after the first version."""
    return event.type if event.version == 1 else f"{event.type}:{event.version}"


def encode(event: Event) -> str:
    """Return the data of an event as compact JSON. Raises ValueError for NaN."""
    return _JSON.encode(_present_fields(event))


def decode(type_name: str, data: str | bytes) -> Event:
    """Return the event of stored type and data. Raises UnknownType and DamagedEvent."""
    try:
        return _decode(type_name, data)
    except UnknownType:
        raise
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedEvent(f"{type_name} is damaged ({error})") from None


def _decode(type_name: str, data: str | bytes) -> Event:
    name, _, stored = type_name.partition(":")
    cls = events.TYPES.get(name)
    if cls is None:
        raise UnknownType(f"unknown event type {name!r}: update Incidentwire")
    fields = json.loads(data)
    version = int(stored or 1)
    if version > cls.version:
        raise UnknownType(
            f"{name} version {version} is newer than version {cls.version} of this"
            " release: update Incidentwire"
        )
    while version < cls.version:
        fields = UPCASTS[name][version](fields)
        version += 1
    event: Event = _build(cls, fields)
    return event


def stored_name(field: dataclasses.Field[Any]) -> str:
    """Return the key under which a field is stored."""
    name: str = field.metadata.get("stored", field.name)
    return name


def default_of(field: dataclasses.Field[Any]) -> Any:
    """Return the default of a field, `dataclasses.MISSING` if it has none."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def default_text(field: dataclasses.Field[Any]) -> str:
    """Return the default of a field as JSON."""
    return _JSON.encode(default_of(field))


def _present_fields(value: Any) -> dict[str, Any]:
    return dict(_differing(value))


def _differing(value: Any) -> Iterator[tuple[str, Any]]:
    cls: Any = type(value)
    for name, stored, default in _fields(cls):
        held = getattr(value, name)
        if held != default:
            yield stored, held


@cache  # one entry per class; defaults are only compared, never handed out
def _fields(cls: Any) -> tuple[tuple[str, str, Any], ...]:
    return tuple(
        (field.name, stored_name(field), default_of(field))
        for field in dataclasses.fields(cls)
    )


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _present_fields(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"not storable in an event: {type(value).__name__}")


_JSON = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain
)


def _build(cls: Any, fields: Mapping[str, Any]) -> Any:
    readers = _readers(cls)
    unknown = fields.keys() - readers.keys()
    if unknown:
        listed = ", ".join(sorted(unknown))
        name = getattr(cls, "type", cls.__name__)
        raise UnknownType(f"{name} has unknown fields ({listed}): update Incidentwire")
    values = {}
    for key, value in fields.items():
        name, read = readers[key]
        values[name] = read(value)
    return cls(**values)


@cache  # one entry per class
def _readers(cls: Any) -> dict[str, tuple[str, Callable[[Any], Any]]]:
    """Return, by stored key, the field's name and the reader of its value."""
    hints = typing.get_type_hints(cls)
    return {
        stored_name(field): (field.name, _reader(hints[field.name]))
        for field in dataclasses.fields(cls)
    }


def _reader(hint: Any) -> Callable[[Any], Any]:
    """Return the conversion of a JSON value to the annotated type."""
    origin = typing.get_origin(hint)
    args = typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        inner = _reader(next(a for a in args if a is not type(None)))
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        if len(args) == 2 and args[1] is not Ellipsis:
            return tuple
        inner = _reader(args[0])
        return lambda value: tuple(inner(v) for v in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        inner = _reader(args[1])
        return lambda value: {k: inner(v) for k, v in value.items()}
    if dataclasses.is_dataclass(hint):
        return lambda value: _build(hint, value)
    return lambda value: value
