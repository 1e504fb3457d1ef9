"""`incidentwire keys`: create, list and revoke API keys, in the store itself."""

from __future__ import annotations

import click

from cli import output
from cli.context import current_settings
from incidentwire.store import connect
from incidentwire.web.keys import SCOPES, Keys


@click.group()
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    help="May be given several times. [read]",
)
@output.json_option
def create(name: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Create a key and print it; it cannot be shown again."""
    try:
        secret = _keys().create(name, scopes or ("read",))
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    created = {"name": name, "scopes": scopes or ("read",), "key": secret}
    output.write_done(created, secret, as_json=as_json)


@keys.command("list")
@output.json_option
def list_keys(as_json: bool) -> None:
    """List names, scopes and dates; never the keys."""
    stored = _keys()
    used = stored.last_used()
    rows = (
        {
            "name": key.name,
            "scopes": key.scopes,
            "created": key.created,
            "last_used": used.get(key.digest),
        }
        for key in stored.list()
    )
    columns: output.Columns = {
        "name": lambda key: key["name"],
        "created": lambda key: key["created"],
        "last used": lambda key: key["last_used"] or "never",
        "scopes": lambda key: key["scopes"],
    }
    output.write(rows, columns, as_json=as_json)


@keys.command()
@click.argument("name")
@output.json_option
def revoke(name: str, as_json: bool) -> None:
    """Revoke a key; it is refused everywhere within five seconds."""
    if not _keys().revoke(name):
        raise click.ClickException(
            f"There is no key named {name!r}. See `incidentwire keys list`."
        )
    revoked = {"name": name, "result": "revoked"}
    output.write_done(revoked, f"revoked {name}", as_json=as_json)


def _keys() -> Keys:
    return Keys(connect(current_settings().redis_url))
