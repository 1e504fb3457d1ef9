"""`incidentwire topics`: topics of one's own beside the four labels, over the API."""

from __future__ import annotations

from typing import Any

import click

from cli import context, output
from incidentwire.settings import Settings

# as services/api/topics, which a client need not load
COLOURS = ("blue", "green", "orange", "pink", "teal", "violet", "brown", "grey")
COLUMNS: output.Columns = {
    "name": lambda row: row["name"],
    "incidents": lambda row: row.get("incidents"),
    "items": lambda row: row.get("items"),
    "colour": lambda row: row["colour"],
    "by": lambda row: row.get("who"),
    "filter": lambda row: row["filter"],
}
DONE: output.Columns = {
    "id": lambda row: row["id"],
    "name": lambda row: row["name"],
    "colour": lambda row: row["colour"],
    "position": lambda row: row["position"],
    "filter": lambda row: row["filter"],
}


@click.group()
def topics() -> None:
    """Topics of your own: a name for a filter, shown beside the four labels.

    What is on a topic is found by `topic:NAME` in search, lists, feeds and subscriptions.
    """


@topics.command("list")
@output.json_option
def list_topics(as_json: bool) -> None:
    """List the topics with the number of incidents and items on each."""
    output.write(_defined(context.current_settings()), COLUMNS, as_json=as_json)


@topics.command()
@click.argument("name")
@click.argument("filter_text", metavar="FILTER")
@click.option("--description", default="", help="What the topic is about.")
@click.option("--colour", type=click.Choice(COLOURS), default="blue", show_default=True)
@output.json_option
def add(
    name: str, filter_text: str, description: str, colour: str, as_json: bool
) -> None:
    """Define topic NAME as what FILTER finds: words, or the language of `search`.

    A topic of the same name is replaced. Items that are here already are matched, too.
    """
    settings = context.current_settings()
    body = {
        "name": name,
        "filter": filter_text,
        "description": description,
        "colour": colour,
    }
    done = context.call("POST", _url(settings), settings, json=body).json()
    output.write([done], DONE, as_json=as_json)


@topics.command()
@click.argument("name")
@output.json_option
def remove(name: str, as_json: bool) -> None:
    """Remove topic NAME; its id serves too. Items and incidents stay."""
    settings = context.current_settings()
    wanted = name.casefold()
    found = [
        row
        for row in _defined(settings)
        if wanted in (row["name"].casefold(), row["id"])
    ]
    if not found:
        raise click.ClickException(
            f"{name!r} is no topic. See `incidentwire topics list`."
        )
    url = f"{_url(settings)}/{found[0]['id']}"
    done = context.call("DELETE", url, settings).json()
    output.write([done], DONE, as_json=as_json)


def _defined(settings: Settings) -> list[dict[str, Any]]:
    answer = context.call("GET", _url(settings), settings).json()
    rows: list[dict[str, Any]] = answer["topics"]
    return rows


def _url(settings: Settings) -> str:
    return f"{settings.api_url}/v1/topics"
