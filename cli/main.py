"""The `incidentwire` command: a table of subcommands, each loaded when it is needed."""

from __future__ import annotations

import errno
import importlib
import keyword
import os
import sys
from collections.abc import Callable, Iterable

import click

from cli.context import DATA_DIR, PROFILE
from incidentwire import __version__
from incidentwire.settings import SettingsError

EXIT_FAILED = 1  # the call was right, and what it asked for did not happen
EXIT_USAGE = 2  # the call or a setting was wrong
EXIT_INTERRUPTED = 130  # Ctrl-C
HINT_WIDTH = 78

# Command -> (module, help line). The module's attribute has the name of the command.
COMMANDS = {
    "up": ("cli.up", "Run all of Incidentwire here until Ctrl-C or SIGTERM."),
    "demo": ("cli.demo", "Start everything, submit a few articles, show the results."),
    "submit": ("cli.submit", "Submit news items: URLs, a text, or files of them."),
    "items": ("cli.items", "Items: list, show, correct, withdraw, retry, receipt."),
    "search": ("cli.search", "Search items or incidents; the best matches come first."),
    "review": ("cli.review", "Work through the review queue: list, decide, leave."),
    "incidents": ("cli.incidents", "Incidents: list, show, merge, split, move, undo."),
    "entities": (
        "cli.entities",
        "Names with several spellings: alias, unalias, list.",
    ),
    "topics": (
        "cli.topics",
        "Topics of your own: add, list, remove.",
    ),
    "tail": ("cli.tail", "Follow the event log, resuming after interruptions."),
    "feeds": ("cli.feeds", "Add, list and remove feeds; import and export OPML."),
    "subscriptions": (
        "cli.subscriptions",
        "Subscriptions: list, add, show, verify, pause, resume, remove.",
    ),
    "deliveries": (
        "cli.subscriptions",
        "Deliveries: what was sent, and what came of it.",
    ),
    "replay": (
        "cli.subscriptions",
        "Deliver events of SUBSCRIPTION again, and print how many.",
    ),
    "import": ("cli.imports", "Import a spreadsheet, feeds or AIID."),
    "keys": ("cli.keys", "Create, list and revoke API keys."),
    "users": ("cli.users", "People who sign in: add, list, link, remove."),
    "check": (
        "cli.check",
        "Check that every item is accounted for, repair what can be.",
    ),
    "export": ("cli.export", "Export evidence in standard files."),
    "corrections": ("cli.model", "Labels that curators corrected, as training rows."),
    "reclassify": ("cli.model", "Run the installed model over the stored texts."),
    "evaluate": (
        "cli.evaluate",
        "Compare the installed model with the labels that people corrected.",
    ),
    "explain": ("cli.model", "Show the evidence of a text, and what counted most."),
    "extract": ("cli.offline", "Extract the articles of saved pages."),
    "classify": ("cli.offline", "Label texts, read from a file."),
    "cluster": ("cli.offline", "Group texts by incident, read from a file."),
    "completion": ("cli.completion", "Print the completion script of SHELL."),
}
EPILOG = """\b
Exit codes: 0 done; 1 refused or failed; 2 wrong call or setting; 3 gap in the log;
130 interrupted.

Each command talks to one installation: --data-dir DIR of a running `incidentwire up`,
or INCIDENTWIRE_* variables (docs/settings.md), or --profile FILE with such variables,
one a line. The profile ~/.config/incidentwire/profile is read if it exists."""


class CommandTable(click.Group):
    """A group that imports a command when it is called, so that the others cost nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _ = COMMANDS[name]
        attribute = f"{name}_" if keyword.iskeyword(name) else name
        command: click.Command = getattr(importlib.import_module(module), attribute)
        _add_installation_options(command)
        return command

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        return [
            click.shell_completion.CompletionItem(name, help=text)
            for name, (_, text) in COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name not in ("--data-dir", "--profile", "--json"):
                raise
            raise click.UsageError(
                f"Put {error.option_name} after the command, as in:"
                f" incidentwire items list {error.option_name} …"
            ) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            names = ", ".join(COMMANDS)
            raise click.UsageError(
                f"{error.format_message()} Commands: {names}. See: incidentwire --help"
            ) from None


@click.group(
    cls=CommandTable,
    epilog=EPILOG,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": HINT_WIDTH + 10,
    },
)
@click.version_option(__version__)
def command() -> None:
    """Run and use a newswire of data and AI harms."""


def main() -> None:
    """Run the command; an expected failure ends with one line and an exit code."""
    try:
        code = command.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
    except SettingsError as error:
        code = _fail(f"settings: {error}", EXIT_USAGE)
    except BrokenPipeError:
        code = _end_without_reader()
    except Exception as error:
        message = _expected(error)
        if message is None:
            raise
        code = _fail(message, EXIT_FAILED)
    raise SystemExit(code or 0)


def _fail(message: str, code: int) -> int:
    click.echo(f"Error: {message}", err=True)
    return code


def _end_without_reader() -> int:
    """Keep the interpreter from reporting the closed pipe (`… | head`) at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_FAILED


def _expected(error: Exception) -> str | None:
    """Return the message for a failure that a user can cause; None for any other."""
    if isinstance(error, UnicodeDecodeError):
        return "The input is not UTF-8 text. Convert it first, as with iconv -t UTF-8."
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"No space is left on the disk ({error.filename or 'output'})."
    if _is_one_of(error, "requests", "RequestException"):
        return f"The request failed: {error}"
    if _is_one_of(error, "redis", "ConnectionError", "TimeoutError"):
        return (
            "The store does not answer. Start it with `incidentwire up`, or name a"
            " running installation: --data-dir DIR, or INCIDENTWIRE_REDIS_URL."
        )
    if _is_one_of(error, "redis", "RedisError"):
        return f"The store refused: {error}"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return None


def _is_one_of(error: Exception, library: str, *names: str) -> bool:
    """Tell whether a library that has been imported defines the error's class."""
    exceptions = sys.modules.get(f"{library}.exceptions")
    classes = (getattr(exceptions, name, None) for name in names)
    return any(isinstance(error, cls) for cls in classes if cls)


def _add_installation_options(command: click.Command) -> None:
    """Give a command and its subcommands --data-dir and --profile."""
    if isinstance(command, click.Group):
        for part in command.commands.values():
            _add_installation_options(part)
        return
    known = {parameter.name for parameter in command.params}
    command.params += [p for p in _installation_options() if p.name not in known]


def _installation_options() -> Iterable[click.Option]:
    yield click.Option(
        ["--data-dir"],
        type=click.Path(exists=True, file_okay=False),
        expose_value=False,
        callback=_remember(DATA_DIR),
        help="Talk to the `incidentwire up` that runs on this folder."
        "  [$INCIDENTWIRE_DATA_DIR, data]",
    )
    yield click.Option(
        ["--profile"],
        type=click.Path(exists=True, dir_okay=False),
        expose_value=False,
        callback=_remember(PROFILE),
        help="File with INCIDENTWIRE_NAME=value lines.  [~/.config/incidentwire/profile]",
    )


def _remember(
    name: str,
) -> Callable[[click.Context, click.Parameter, str | None], None]:
    def callback(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
        if value:
            ctx.meta[name] = value

    return callback
