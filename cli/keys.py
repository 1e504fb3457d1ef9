"""`incidentwire keys`: make, list and revoke API keys, straight in the store."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from cli.context import current_settings
from incidentwire.store import connect
from incidentwire.web.auth import SCOPES, Keys


@click.group()
def keys() -> None:
    """API keys: create, list, revoke."""


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    help="May be given several times. [read]",
)
def create(name: str, scopes: tuple[str, ...]) -> None:
    """Make a key and print it; it cannot be shown again."""
    try:
        secret = _keys().create(name, scopes or ("read",))
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo(secret)


@keys.command("list")
def list_keys() -> None:
    """Show names, scopes and dates; never the keys."""
    table = Table("name", "scopes", "created")
    for key in _keys().list():
        table.add_row(key.name, " ".join(key.scopes), key.created)
    Console().print(table)


@keys.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Forget a key; it is refused everywhere within five seconds."""
    if not _keys().revoke(name):
        raise click.ClickException(
            f"there is no key named {name!r}: see `incidentwire keys list`"
        )
    click.echo(f"revoked {name}")


def _keys() -> Keys:
    return Keys(connect(current_settings().redis_url))
