"""`incidentwire users`: people who sign in to the pages with a name and a password."""

from __future__ import annotations

import click

from cli import output, sign_in
from cli.context import current_settings
from incidentwire.store import connect
from incidentwire.web.users import ROLES, Users


@click.group()
def users() -> None:
    """People who sign in: add, list, link, remove."""


@users.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(list(ROLES)),
    default="reader",
    show_default=True,
    help="What the person may do.",
)
@click.password_option(help="Asked for if left out.")
@output.json_option
def add(name: str, role: str, password: str, as_json: bool) -> None:
    """Add a person, or give one a new password and role."""
    try:
        user = _users().add(name, password, role)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    added = {"name": user.name, "role": user.role, "result": "added"}
    line = f"{user.name} may sign in as {user.role}"
    output.write_done(added, line, as_json=as_json)


@users.command("list")
@output.json_option
def list_users(as_json: bool) -> None:
    """List names, roles and dates."""
    rows = (
        {"name": user.name, "role": user.role, "created": user.created}
        for user in _users().list()
    )
    columns: output.Columns = {
        "name": lambda user: user["name"],
        "created": lambda user: user["created"],
        "role": lambda user: user["role"],
    }
    output.write(rows, columns, as_json=as_json)


@users.command()
@click.argument("name", required=False)
@output.json_option
def link(name: str | None, as_json: bool) -> None:
    """Print a link that signs NAME in, once, within 15 minutes.

    Without NAME, it signs in with this installation's own key. Whoever opens the link
    first is signed in: do not send it around.
    """
    settings = current_settings()
    found = sign_in.of_user(settings, name) if name else sign_in.of_key(settings)
    if found is None:
        whom = f"nobody named {name!r}" if name else "no key known here"
        raise click.ClickException(
            f"There is {whom}. See `incidentwire users list` and `keys list`."
        )
    output.write_done({"name": name, "link": found}, found, as_json=as_json)


@users.command()
@click.argument("name")
@output.json_option
def remove(name: str, as_json: bool) -> None:
    """Remove a person; their sessions end at once."""
    if not _users().remove(name):
        raise click.ClickException(
            f"There is nobody named {name!r}. See `incidentwire users list`."
        )
    removed = {"name": name, "result": "removed"}
    output.write_done(removed, f"removed {name}", as_json=as_json)


def _users() -> Users:
    return Users(connect(current_settings().redis_url))
