"""`incidentwire entities`: names with several spellings, over the API."""

from __future__ import annotations

from typing import Any

import click

from cli import context, output
from incidentwire.settings import Settings

COLUMNS: output.Columns = {
    "id": lambda row: row["id"],
    "spelling": lambda row: row["alias"],
    "shown as": lambda row: row.get("entity", row["name"]),
    "by": lambda row: row.get("who"),
    "position": lambda row: row["position"],
}


@click.group()
def entities() -> None:
    """Names with several spellings: declare two as one, take it back, list.

    What is declared one is found together by search, filters and subscriptions.
    """


@entities.command("list")
@output.json_option
def list_aliases(as_json: bool) -> None:
    """List the declared spellings, newest first."""
    output.write(_declared(context.current_settings()), COLUMNS, as_json=as_json)


@entities.command()
@click.argument("spelling")
@click.argument("name")
@click.option("--note", default="", help="Why; kept in the log.")
@output.json_option
def alias(spelling: str, name: str, note: str, as_json: bool) -> None:
    """Declare that SPELLING is another spelling of NAME."""
    settings = context.current_settings()
    body = {"alias": spelling, "name": name, "note": note}
    done = context.call("POST", _url(settings), settings, json=body).json()
    output.write([done], COLUMNS, as_json=as_json)


@entities.command()
@click.argument("spelling")
@output.json_option
def unalias(spelling: str, as_json: bool) -> None:
    """Take the declaration of SPELLING back; its id serves too."""
    settings = context.current_settings()
    found = [
        row for row in _declared(settings) if spelling in (row["alias"], row["id"])
    ]
    if not found:
        raise click.ClickException(
            f"{spelling!r} is not declared. See `incidentwire entities list`."
        )
    url = f"{_url(settings)}/{found[0]['id']}"
    done = context.call("DELETE", url, settings).json()
    output.write([done], COLUMNS, as_json=as_json)


def _declared(settings: Settings) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = context.call("GET", _url(settings), settings).json()[
        "aliases"
    ]
    return rows


def _url(settings: Settings) -> str:
    return f"{settings.api_url}/v1/entities/aliases"
