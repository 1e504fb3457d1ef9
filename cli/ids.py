"""Ids on the command line: whole, or a prefix that only one has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import click

from cli import context
from incidentwire.settings import Settings

LENGTH = 22  # of an id
NEWEST = 2000  # among so many is a prefix looked for
PAGE = 200


def item_id(settings: Settings, given: str) -> str:
    """Return the whole id of an item. Raises click.ClickException."""
    return _whole(settings, given, "items", "i_")


def incident_id(settings: Settings, given: str) -> str:
    """Return the whole id of an incident. Raises click.ClickException."""
    return _whole(settings, given, "incidents", "n_")


def _whole(settings: Settings, given: str, kind: str, prefix: str) -> str:
    if not given.startswith(prefix):
        raise click.ClickException(
            f"{given!r} is no id: ids of {kind} begin with {prefix}, as in"
            f" `incidentwire {kind} list`."
        )
    if len(given) >= LENGTH:
        return given
    rows = pages(settings, f"{settings.api_url}/v1/{kind}", kind, {}, NEWEST)
    return only(given, (row["id"] for row in rows))


def pages(
    settings: Settings, url: str, field: str, query: dict[str, Any], limit: int
) -> Iterator[dict[str, Any]]:
    """Yield at most `limit` rows of a list of the API, page by page."""
    left = limit
    while left > 0:
        params = {**query, "limit": min(PAGE, left)}
        page = context.call("GET", url, settings, params=params).json()
        yield from page[field]
        left -= len(page[field])
        if page["next"] is None:
            return
        query = {**query, "cursor": page["next"]}


def only(prefix: str, ids: Iterable[str]) -> str:
    """Return the one id that begins with a prefix. Raises click.ClickException."""
    found = [name for name in ids if name.startswith(prefix)]
    if prefix in found:
        return prefix
    if not found:
        raise click.ClickException(
            f"None of the newest {NEWEST} begins with {prefix}. Give the whole id."
        )
    if len(found) > 1:
        raise click.ClickException(
            f"{len(found)} begin with {prefix}: {', '.join(found[:5])}. Give more of it."
        )
    return found[0]
