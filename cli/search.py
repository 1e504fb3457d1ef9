"""`incidentwire search`: the best matches of a query, with the passages that match."""

from __future__ import annotations

import click

from cli import context, ids, output
from incidentwire.labels import LABELS

COLUMNS: output.Columns = {
    "id": lambda hit: hit["id"],
    "date": lambda hit: hit.get("day") or hit.get("last_report"),
    "labels": lambda hit: hit["labels"],
    "title": lambda hit: hit["title"] or hit.get("url"),
    "passage": lambda hit: (hit["snippet"] or {}).get("text"),
}


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option(
    "--kind",
    type=click.Choice(["items", "incidents"]),
    default="items",
    show_default=True,
    help="What to search.",
)
@click.option(
    "--label", multiple=True, type=click.Choice(LABELS), help="Has all of these."
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Most rows.",
)
@output.json_option
def search(
    words: tuple[str, ...], kind: str, label: tuple[str, ...], limit: int, as_json: bool
) -> None:
    """Search items or incidents; the best matches come first.

    WORDS may be in any form. Phrases in quotes, OR, NOT, parentheses, word*, and fields
    such as source:example.org or after:2026-03-01 are understood (docs/search.md).
    """
    settings = context.current_settings()
    query = " ".join(words)
    if label:
        query = f"({query}) " + " ".join(f"label:{name}" for name in label)
    url = f"{settings.api_url}/v1/search"
    hits = ids.pages(settings, url, "hits", {"q": query, "kind": kind}, limit)
    output.write(hits, COLUMNS, as_json=as_json)
