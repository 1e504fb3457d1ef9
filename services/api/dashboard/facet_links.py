"""Facets as links: each value can be required, left out, or be any again."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from marshmallow import ValidationError
from werkzeug.datastructures import MultiDict

from incidentwire.incidents.state import STATUSES
from incidentwire.labels import LABELS
from services.api.catalogue import LANGUAGES
from services.api.dashboard.language import translate as _
from services.api.dashboard.layout import address, country_name, label_name
from services.api.text.countries import code_of
from services.api.topics.asked import check_topic

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
        Facet(key=key, name=names[key], values=_values(path, args, key, counts))
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
                text = names[key] + _(": ") + word + shown(key, value)
                found.append((text, _Links(path, args, key).without(value)))
    for key, name in (("from", _("From")), ("to", _("Until")), ("q", _("Words"))):
        given = args.get(key)
        if given and key not in but:
            link = _Links(path, args, key).without(given)
            found.append((name + _(": ") + given, link))
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


class _Links:
    """The links of one list that differ in the values of one facet."""

    def __init__(self, path: str, args: MultiDict[str, str], key: str) -> None:
        asked = args.to_dict(flat=False)
        asked.pop("cursor", None)
        self.key = key
        self.only = asked.pop(key, [])
        self.off = asked.pop(f"without_{key}", [])
        self.start = address(path, **asked)  # the same for all values
        self.joint = "&" if asked else "?"

    def state(self, value: str) -> str:
        """Return whether the list has "only" this value, is "without" it, or "any"."""
        if value in self.only:
            return "only"
        return "without" if value in self.off else "any"

    def without(self, value: str) -> str:
        """Return the link of the list in which this value is no filter."""
        return self._with(value, None)

    def toggle(self, value: str) -> str:
        """Return the link that requires the value, or lets it be any again."""
        return self._with(value, self.key if self.state(value) == "any" else None)

    def exclude(self, value: str) -> str:
        """Return the link that leaves the value out, or lets it be any again."""
        is_out = self.state(value) == "without"
        return self._with(value, None if is_out else f"without_{self.key}")

    def _with(self, value: str, name: str | None) -> str:
        """Return the link with the value under this name only, beside its alternatives."""
        given = {self.key: self.only, f"without_{self.key}": self.off}
        asked: dict[str, list[str]] = {}
        for one, values in given.items() if self.key in MULTIPLE else ():
            others = [other for other in values if other != value]
            if others:
                asked[one] = others
        if name is not None:
            asked.setdefault(name, []).append(value)
        tail = urlencode(asked, doseq=True)
        return f"{self.start}{self.joint}{tail}" if tail else self.start


def _values(
    path: str,
    args: MultiDict[str, str],
    key: str,
    counts: Mapping[str, Sequence[tuple[str, int]]],
) -> list[Value]:
    of_facet = _Links(path, args, key)
    return [
        Value(
            value=value,
            name=shown(key, value),
            count=count,
            state=of_facet.state(value),
            toggle=of_facet.toggle(value),
            exclude=of_facet.exclude(value),
        )
        for value, count in _with_chosen(args, key, counts.get(key, ()))
    ]


def _with_chosen(
    args: MultiDict[str, str], key: str, counts: Sequence[tuple[str, int]]
) -> list[tuple[str, int]]:
    """Return the counts, with values that are chosen and have none."""
    there = {value for value, _count in counts}
    wanted = [*args.getlist(key), *args.getlist(f"without_{key}")]
    return [*counts, *((value, 0) for value in wanted if value not in there)]


def _checked(name: str, value: str) -> str:
    if name in _CHOICES and value not in _CHOICES[name]:
        message = f"Use some of {', '.join(_CHOICES[name])}."
        raise ValidationError(message, name)
    if name == "month" and not _MONTH.fullmatch(value):
        raise ValidationError("Use a month such as 2026-03.", name)
    if name == "country":
        return _country(value)
    if name == "topic":
        check_topic(value)
    if len(value) > MAX_VALUE or "\x00" in value:
        raise ValidationError(f"Use at most {MAX_VALUE} characters.", name)
    return value


def _country(value: str) -> str:
    try:
        return code_of(value)
    except ValueError as error:
        raise ValidationError(f"Unknown country: {error}.", "country") from None
