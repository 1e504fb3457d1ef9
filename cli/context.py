"""Which Incidentwire a command speaks to: the settings, or the one that `incidentwire up` runs on this machine."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import click
import requests

from incidentwire.settings import PREFIX, Settings, from_env

RUNNING = "running.json"  # written by `up` into its data folder
TIMEOUT_S = 30.0


def current_settings() -> Settings:
    """The settings; addresses that the environment does not give are those of a running `incidentwire up`."""
    settings = from_env()
    try:
        running: dict[str, str] = json.loads((settings.data_dir / RUNNING).read_text())
    except (FileNotFoundError, ValueError):
        return settings
    known = {field.name for field in dataclasses.fields(Settings)}
    missing: dict[str, Any] = {
        k: v
        for k, v in running.items()
        if k in known and PREFIX + k.upper() not in os.environ
    }
    return dataclasses.replace(settings, **missing)


def write_running(data_dir: Path, **values: str) -> None:
    """Leave the addresses (and the first key) where other commands find them; only this user may read it."""
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / RUNNING
    path.touch(mode=0o600)
    path.write_text(json.dumps(values, indent=2))


def headers(settings: Settings) -> dict[str, str]:
    """The API key, which must be known."""
    if not settings.key:
        raise click.ClickException(
            f"no API key: set {PREFIX}KEY, make one with `incidentwire keys create NAME`"
        )
    return {"Authorization": f"Bearer {settings.key}"}


def call(
    method: str, url: str, settings: Settings, **options: Any
) -> requests.Response:
    """One HTTP call; what the server refuses, and a server that is not there, become one line for people."""
    try:
        extra = options.pop("headers", {})
        response = requests.request(
            method, url, headers=headers(settings) | extra, timeout=TIMEOUT_S, **options
        )
    except requests.ConnectionError:
        raise click.ClickException(
            f"nothing answers at {url}: start it with `incidentwire up`"
        ) from None
    if response.status_code >= 400:
        raise click.ClickException(problem_text(response))
    return response


def problem_text(response: requests.Response) -> str:
    """A problem document in one line."""
    try:
        problem = response.json()
    except ValueError:
        return f"{response.status_code} {response.reason}"
    errors = "; ".join(
        f"{e['field']}: {e['message']}" for e in problem.get("errors", [])
    )
    return ": ".join(
        part
        for part in (
            problem.get("title", str(response.status_code)),
            errors or problem.get("detail"),
        )
        if part
    )
