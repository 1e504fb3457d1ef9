"""The `incidentwire` command: what there is to type."""

from __future__ import annotations

import click
from rich.console import Console

from cli import (
    check,
    demo,
    export,
    feeds,
    incidents,
    keys,
    model,
    offline,
    submit,
    tail,
    up,
)
from incidentwire import __version__
from incidentwire.settings import SettingsError

EXIT_USAGE = 2  # as click has it: the call was wrong
EXIT_FAILED = 1  # the call was right, and what it asked for did not happen


class _Group(click.Group):
    """Says what to type instead of a command that does not exist."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            names = ", ".join(sorted(self.commands))
            raise click.UsageError(
                f"{error.format_message()} Commands: {names}. See: incidentwire --help"
            ) from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def command() -> None:
    """A newswire of data and AI harms: hand in news items, follow what becomes of them."""


for part in (
    up.up,
    demo.demo,
    submit.submit,
    tail.tail,
    keys.keys,
    offline.extract,
    offline.classify,
    offline.cluster,
    model.reclassify,
    model.corrections,
    model.explain,
    feeds.feeds,
    incidents.incidents,
    check.check,
    export.export,
):
    command.add_command(part)


def main() -> None:
    """The entry point: expected failures end with one line and an exit code, never with a trace."""
    try:
        command()
    except SettingsError as error:
        Console(stderr=True).print(f"[red]settings:[/red] {error}", highlight=False)
        raise SystemExit(EXIT_USAGE) from None
