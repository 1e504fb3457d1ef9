"""Facets as links: each value can be required, left out, or be any again."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError
from werkzeug.datastructures import MultiDict

from incidentwire.incidents.state import STATUSES
from incidentwire.labels import LABELS
from services.api.catalogue import LANGUAGES
from services.api.dashboard.language import translate as _
from services.api.dashboard.layout import address, country_name, label_name
from services.api.text.countries import code_of

MAX_VALUE = 253  # characters: the longest host
_MONTH = re.compile(r"[12][0-9]{3}-(0[1-9]|1[0-2])")
_CHOICES: Mapping[str, Sequence[str]] = {"label": LABELS, "status": STATUSES}
MULTIPLE = ("label", "status")
FACETS = (
    "label",
    "status",
    "topic",
    "country",
    "entity",
    "source",
    "language",
    "month",
)
NAMES = frozenset({*FACETS, *(f"without_{name}" for name in FACETS)})  # of parameters


@dataclass(frozen=True, kw_only=True)
class Value:
    """One value of a facet; `state` is "only", "without" or "any"."""

    value: str
    name: str
    count: int
    state: str
    toggle: str
    exclude: str


@dataclass(frozen=True, kw_only=True)
class Facet:
    """A facet with its values."""

    key: str
    name: str
    values: list[Value]


def other_filters(args: MultiDict[str, str]) -> dict[str, Any]:
    """Return the filters that only pages have. Raises marshmallow.ValidationError."""
    found: dict[str, Any] = {}
    for name in ("language", "month"):
        if value := args.get(name):
            found[name] = _checked(name, value)
    for name in FACETS:
        given = [value for value in args.getlist(f"without_{name}") if value]
        values = [_checked(name, value) for value in given]
        if values:
            is_list = name in MULTIPLE
            found[f"without_{name}"] = values if is_list else values[-1]
    return found


def links(
    path: str,
    args: MultiDict[str, str],
    counts: Mapping[str, Sequence[tuple[str, int]]],
) -> list[Facet]:
    """Return the facets with a link for each choice."""
    names = facet_names()
    return [
        Facet(
            key=key,
            name=names[key],
            values=[
                _value(path, args, key, value, count)
                for value, count in _with_chosen(args, key, counts.get(key, ()))
            ],
        )
        for key in FACETS
    ]


def chosen(
    path: str, args: MultiDict[str, str], but: Collection[str] = ()
) -> list[tuple[str, str]]:
    """Return (what is filtered, link without that filter) of each active filter."""
    names = facet_names()
    found = []
    for key in FACETS:
        for prefix, word in (("", ""), ("without_", _("not "))):
            for value in args.getlist(f"{prefix}{key}"):
                text = f"{names[key]}: {word}{shown(key, value)}"
                found.append((text, _changed(path, args, prefix + key, value, False)))
    for key in ("from", "to", "q"):
        given = args.get(key)
        if given and key not in but:
            found.append((f"{key}: {given}", _changed(path, args, key, given, False)))
    return found


def hidden(args: MultiDict[str, str], but: Iterable[str]) -> list[tuple[str, str]]:
    """Return the parameters that a form of its own has to carry along."""
    return [(name, value) for name, value in args.items(multi=True) if name not in but]


def facet_names() -> dict[str, str]:
    """Return the names of the facets as people read them."""
    return {
        "label": _("Label"),
        "status": _("Status"),
        "topic": _("Topic"),
        "country": _("Country"),
        "entity": _("Name"),
        "source": _("Source"),
        "language": _("Language"),
        "month": _("Month"),
    }


def shown(key: str, value: str) -> str:
    """Return a value as people read it."""
    if key == "label":
        return label_name(value)
    if key == "language":
        return LANGUAGES.get(value, value)
    if key == "country":
        return country_name(value)
    return _(value) if key == "status" else value


def _value(
    path: str, args: MultiDict[str, str], key: str, value: str, count: int
) -> Value:
    is_on = value in args.getlist(key)
    is_off = value in args.getlist(f"without_{key}")
    state = "any"
    if is_on:
        state = "only"
    elif is_off:
        state = "without"
    return Value(
        value=value,
        name=shown(key, value),
        count=count,
        state=state,
        toggle=_changed(path, args, key, value, state == "any"),
        exclude=_changed(path, args, f"without_{key}", value, state != "without"),
    )


def _with_chosen(
    args: MultiDict[str, str], key: str, counts: Sequence[tuple[str, int]]
) -> list[tuple[str, int]]:
    """Return the counts, with values that are chosen and have none."""
    there = {value for value, _count in counts}
    wanted = [*args.getlist(key), *args.getlist(f"without_{key}")]
    return [*counts, *((value, 0) for value in wanted if value not in there)]


def _changed(
    path: str, args: MultiDict[str, str], name: str, value: str, add: bool
) -> str:
    """Return the link of the same list with this filter added or taken away."""
    key = name.removeprefix("without_")
    asked = args.to_dict(flat=False)
    asked.pop("cursor", None)
    for one in (key, f"without_{key}"):
        kept = [v for v in asked.pop(one, []) if v != value and key in MULTIPLE]
        if kept:
            asked[one] = kept
    if add:
        asked.setdefault(name, []).append(value)
    return address(path, **asked)


def _checked(name: str, value: str) -> str:
    if name in _CHOICES and value not in _CHOICES[name]:
        message = f"Use some of {', '.join(_CHOICES[name])}."
        raise ValidationError(message, name)
    if name == "month" and not _MONTH.fullmatch(value):
        raise ValidationError("Use a month such as 2026-03.", name)
    if name == "country":
        return _country(value)
    if len(value) > MAX_VALUE or "\x00" in value:
        raise ValidationError(f"Use at most {MAX_VALUE} characters.", name)
    return value


def _country(value: str) -> str:
    try:
        return code_of(value)
    except ValueError as error:
        raise ValidationError(f"Unknown country: {error}.", "country") from None
