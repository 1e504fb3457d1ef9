"""Which installation a command talks to: options, environment, profile, running `up`."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from incidentwire.settings import PREFIX, Settings, SettingsError, from_env

if TYPE_CHECKING:
    import requests

RUNNING = "running.json"  # addresses; written by `up` into its data folder
KEY = "key"  # the first key; written by `up` into its data folder
TIMEOUT_S = 30.0
DATA_DIR = "incidentwire.data_dir"  # keys of click's meta
PROFILE = "incidentwire.profile"


def current_settings() -> Settings:
    """Return the settings of the installation that this command talks to.

    In order: --data-dir, the environment, the profile file. Addresses and the key that
    none of them gives are those of a running `incidentwire up` on that data folder.
    Raises SettingsError.
    """
    environ = {**_profile(), **os.environ}
    chosen = _option(DATA_DIR)
    if chosen:
        environ[PREFIX + "DATA_DIR"] = str(chosen)
    settings = from_env(environ)
    missing = {
        name: value
        for name, value in _running(settings.data_dir).items()
        if PREFIX + name.upper() not in environ
    }
    settings = dataclasses.replace(settings, **missing)
    for name in ("api_url", "ingest_url"):
        if not getattr(settings, name).startswith(("http://", "https://")):
            raise SettingsError(
                f"{PREFIX}{name.upper()} is {getattr(settings, name)!r}:"
                " write the scheme too, as in http://127.0.0.1:8000"
            )
    return settings


def default_profile() -> Path:
    """Return the profile file that is read if it exists."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "incidentwire" / "profile"


def _profile() -> dict[str, str]:
    """Read lines of `INCIDENTWIRE_NAME=value`; `#` begins a comment line."""
    chosen = _option(PROFILE)
    path = Path(chosen) if chosen else default_profile()
    if not chosen and not path.is_file():
        return {}
    found = {}
    for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), 1):
        name, separator, value = line.strip().partition("=")
        if not name or name.startswith("#"):
            continue
        if not separator or not name.startswith(PREFIX):
            raise SettingsError(
                f"{path}:{number}: write {PREFIX}NAME=value, or # before a comment"
            )
        found[name] = value
    return found


def _option(name: str) -> str | None:
    here = click.get_current_context(silent=True)
    found: str | None = here.meta.get(name) if here else None
    return found


def _running(data_dir: Path) -> dict[str, Any]:
    known = {field.name for field in dataclasses.fields(Settings)}
    found: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        running: dict[str, str] = json.loads(running_file(data_dir).read_text())
        found = {name: value for name, value in running.items() if name in known}
    with contextlib.suppress(OSError):
        found["key"] = key_file(data_dir).read_text().strip()
    return found


def running_file(data_dir: Path) -> Path:
    """Return the file that holds the addresses of a running `up`."""
    return data_dir / RUNNING


def key_file(data_dir: Path) -> Path:
    """Return the file that holds the first key."""
    return data_dir / KEY


def write_running(data_dir: Path, **values: str) -> None:
    """Write the addresses for other commands."""
    write_private(running_file(data_dir), json.dumps(values, indent=2))


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def shell_word(path: Path) -> str:
    """Return a path as it can be pasted into a shell."""
    return shlex.quote(str(path))


def printable(text: str) -> str:
    """Return one line without control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


def headers(settings: Settings) -> dict[str, str]:
    """Return the header with the API key. Raises click.ClickException without one."""
    if not settings.key:
        raise click.ClickException(
            f"No API key is known. Set {PREFIX}KEY, or name the data folder of a running"
            " `incidentwire up` with --data-dir DIR."
        )
    return {"Authorization": f"Bearer {settings.key}"}


def call(
    method: str, url: str, settings: Settings, **options: Any
) -> requests.Response:
    """Send one request. Raises click.ClickException with what the server said."""
    response = request(method, url, settings, **options)
    check(response)
    return response


def request(
    method: str, url: str, settings: Settings, **options: Any
) -> requests.Response:
    """Send one request and return any answer. Raises click.ClickException without one."""
    import requests

    extra = options.pop("headers", {})
    options.setdefault("timeout", TIMEOUT_S)
    try:
        return requests.request(  # noqa: S113  # set above
            method, url, headers=headers(settings) | extra, **options
        )
    except (requests.ConnectionError, requests.Timeout):
        raise click.ClickException(unreachable(url)) from None


def check(response: requests.Response) -> None:
    """Raise click.ClickException with what the server refused."""
    if response.status_code >= 400:
        raise click.ClickException(problem_text(response))


def unreachable(url: str) -> str:
    """Return the message for a server that does not answer."""
    return (
        f"No answer from {url}. Start it with `incidentwire up`, or name a running"
        " installation with --data-dir DIR."
    )


def problem_text(response: requests.Response) -> str:
    """Return a problem document in one line."""
    try:
        problem = response.json()
        errors = "; ".join(
            f"{error['field']}: {error['message']}"
            for error in problem.get("errors", [])
        )
        title = problem.get("title", str(response.status_code))
        detail = errors or problem.get("detail")
    except (ValueError, AttributeError, KeyError, TypeError):
        return f"{response.status_code} {response.reason}"
    return printable(": ".join(part for part in (title, detail) if part))
