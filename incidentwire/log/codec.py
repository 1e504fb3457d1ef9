"""How events are stored and read: compact JSON in which a field that has its default is left out.

So a field may be added with a default at any time. A change that old readers would misread gets a new `version` of
its type and an entry in UPCASTS instead.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from incidentwire import events
from incidentwire.events import Event

# type -> {stored version: change of its data to the next version}
UPCASTS: Mapping[str, Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}


class UnknownType(ValueError):
    """The log holds a type, or a version of it, that this code does not know: a newer release wrote it."""


def stored_type(event: Event) -> str:
    """The type as the log stores it: with `:<version>` after the first one."""
    return event.type if event.version == 1 else f"{event.type}:{event.version}"


def encode(event: Event) -> str:
    """The event's data as compact JSON, fields that have their default left out."""
    kind: Any = type(event)
    data = {
        name: value
        for name, default in _defaults(kind)
        if (value := getattr(event, name)) != default
    }
    return _JSON.encode(data)


def decode(type_name: str, data: str | bytes) -> Event:
    """The event of stored type and data. Raises UnknownType loudly, so that no follower skips what it cannot read."""
    name, _, stored = type_name.partition(":")
    cls: Any = events.TYPES.get(name)
    if cls is None:
        raise UnknownType(
            f"unknown event type {name!r}: update Incidentwire before following this log further"
        )
    fields = json.loads(data)
    version = int(stored or 1)
    if version > cls.version:
        raise UnknownType(
            f"{name} version {version} is newer than this code ({cls.version}): update Incidentwire"
        )
    while version < cls.version:
        fields = UPCASTS[name][version](fields)
        version += 1
    readers = _readers(cls)
    unknown = fields.keys() - readers.keys()
    if unknown:
        raise UnknownType(
            f"{name} has fields unknown to this code: {', '.join(sorted(unknown))}"
        )
    event: Event = cls(**{key: readers[key](value) for key, value in fields.items()})
    return event


@cache  # one entry per event class; the defaults are compared with, never handed out
def _defaults(cls: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, _default(field)) for field in dataclasses.fields(cls))


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: v
            for f in dataclasses.fields(value)
            if (v := getattr(value, f.name)) != _default(f)
        }
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"not storable in an event: {type(value).__name__}")


_JSON = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain
)


@cache  # one entry per event class
def _readers(cls: Any) -> dict[str, Callable[[Any], Any]]:
    hints = typing.get_type_hints(cls)
    return {field.name: _reader(hints[field.name]) for field in dataclasses.fields(cls)}


def _reader(hint: Any) -> Callable[[Any], Any]:
    """How a JSON value becomes what the annotation says: lists to tuples, objects to dataclasses."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        inner = _reader(next(a for a in args if a is not type(None)))
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        inner = _reader(args[0])
        if len(args) == 2 and args[1] is not Ellipsis:
            return tuple
        return lambda value: tuple(inner(v) for v in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        inner = _reader(args[1])
        return lambda value: {k: inner(v) for k, v in value.items()}
    if dataclasses.is_dataclass(hint):
        shape: Any = hint
        readers = _readers(shape)
        return lambda value: shape(**{k: readers[k](v) for k, v in value.items()})
    return lambda value: value
