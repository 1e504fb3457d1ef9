"""`incidentwire completion`: print the script that completes commands in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash: incidentwire completion bash > ~/.local/share/bash-completion/completions/incidentwire
    zsh:  incidentwire completion zsh > ~/.zfunc/_incidentwire
    fish: incidentwire completion fish > ~/.config/fish/completions/incidentwire.fish

    Create the folder first if it is missing, then open a new shell. For zsh, ~/.zfunc must
    be in fpath.
    """
    from cli.main import command

    cls = get_completion_class(shell)
    if cls is None:
        raise click.ClickException(f"There is no completion for {shell}.")
    click.echo(cls(command, {}, "incidentwire", "_INCIDENTWIRE_COMPLETE").source())
