"""`incidentwire up`: everything on this machine, under one process manager."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import click
from honcho.manager import Manager
from rich.console import Console

from cli import context as running
from cli.processes import Place, commands, end_in_order, store_command
from incidentwire.settings import Settings, from_env, to_env
from incidentwire.store import connect_when_ready
from incidentwire.web.auth import SCOPES, Keys

FIRST_KEY = "first"


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder of store, archive and read model. [data]",
)
@click.option("--redis-url", help="Use this Redis instead of the embedded store.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--api-port", default=8000, show_default=True)
@click.option("--ingest-port", default=8001, show_default=True)
@click.option(
    "--store-port", default=6390, show_default=True, help="Of the embedded store."
)
def up(
    data_dir: Path | None,
    redis_url: str | None,
    host: str,
    api_port: int,
    ingest_port: int,
    store_port: int,
) -> None:
    """Run all of Incidentwire here until Ctrl-C."""
    settings = from_env()
    place = Place(
        host=host, api_port=api_port, ingest_port=ingest_port, store_port=store_port,
        data_dir=(data_dir or settings.data_dir).absolute(),
    )  # fmt: skip
    raise SystemExit(run(place, settings, redis_url))


def run(place: Place, settings: Settings, redis_url: str | None = None) -> int:
    """Start every process and stay until one ends or the user stops; returns the exit code."""
    embedded = redis_url is None
    ports = {
        "the API": place.api_port,
        "ingest": place.ingest_port,
        **({"the store": place.store_port} if embedded else {}),
    }
    for what, port in ports.items():
        if _taken(place.host, port):
            option = {
                "the API": "--api-port",
                "ingest": "--ingest-port",
                "the store": "--store-port",
            }[what]
            raise click.ClickException(
                f"port {port} for {what} is taken: choose another with {option}"
            )
    store_url = redis_url or place.store_url
    settings = dataclasses.replace(
        settings,
        redis_url=store_url,
        data_dir=place.data_dir,
        api_url=place.api_url,
        ingest_url=place.ingest_url,
    )
    environ = {**os.environ, **to_env(settings), "PYTHONUNBUFFERED": "1"}
    end_in_order()  # until the manager's loop sees to it
    manager = ProcessManager()
    for name, arguments in commands(place).items():
        manager.add_process(name, shlex.join(arguments), env=environ)
    with _store(place, manager) if embedded else contextlib.nullcontext():
        secret = ensure_first_key(store_url)
        addresses = {
            "redis_url": store_url,
            "api_url": place.api_url,
            "ingest_url": place.ingest_url,
        }
        known = {"key": secret} if secret else _key_written_before(place)
        running.write_running(place.data_dir, **addresses, **known)
        _say_where(place, secret)
        manager.loop()
    return int(manager.returncode or 0)


class ProcessManager(Manager):
    """Told to end before all have started, it waits until they have. Honcho's own fails then, and goes on for ever."""

    told_early = False

    def terminate(self) -> None:
        self.told_early = not super()._all_started()
        if not self.told_early:
            super().terminate()

    def _all_started(self) -> bool:
        """Asked in every turn of the loop."""
        started: bool = super()._all_started()
        if started and self.told_early:
            self.terminate()
        return started


def ensure_first_key(store_url: str) -> str | None:
    """Make a key with all scopes where there is none yet; only now can it be seen."""
    keys = Keys(connect_when_ready(store_url))
    return None if keys.list() else keys.create(FIRST_KEY, SCOPES)


@contextlib.contextmanager
def _store(place: Place, manager: Manager) -> Iterator[None]:
    """The embedded store: there before the others start and until the last has ended, since they write when they end.
    In a session of its own, where Ctrl-C does not reach it; should it end by itself, the others are stopped too."""
    process = subprocess.Popen(store_command(place), start_new_session=True)  # noqa: S603  # our own command line

    def watch() -> None:
        process.wait()
        manager.terminate()

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _key_written_before(place: Place) -> dict[str, str]:
    try:
        known: dict[str, str] = json.loads(
            (place.data_dir / running.RUNNING).read_text()
        )
    except (FileNotFoundError, ValueError):
        return {}
    return {"key": known["key"]} if "key" in known else {}


def _say_where(place: Place, secret: str | None) -> None:
    console = Console(stderr=True, highlight=False)
    console.print(f"API    {place.api_url}   (browse {place.api_url}/docs)")
    console.print(f"ingest {place.ingest_url}/v1/submissions")
    console.print(f"data   {place.data_dir}")
    if secret:
        console.print(
            f"key    {secret}   (all scopes; shown this once, kept in {place.data_dir / running.RUNNING})"
        )


def _taken(host: str, port: int) -> bool:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((host, port))
        except OSError:
            return True
    return False
