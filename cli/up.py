"""`incidentwire up`: run everything on this machine under one supervisor."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import redis

from cli import context, folder_lock, sign_in
from cli.forking import preload
from cli.processes import Installation, commands, store_command
from cli.supervisor import Child, Supervisor
from incidentwire.settings import Settings, from_env, to_env
from incidentwire.store import connect
from incidentwire.web.keys import SCOPES, Keys

FIRST_KEY = "first"
PORT = click.IntRange(1, 65535)
STORE_READY_S = 120.0  # a large log takes its time to be read
STORE_ENDED = (
    "The store does not start; its own message is above. If its append-only file is damaged,"
    " move the folder `store` away and restore a backup, or cut the file where the damage"
    " begins with `redis-check-aof --fix`: docs/operations.md, Damage."
)
STORE_EMPTY = (
    "The store is empty, though this folder was used before. If its data is lost, stop and"
    " restore a backup: docs/operations.md, An emptied store."
)
# One machine runs all processes: no BLAS threads to each.
ENVIRON = {"OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
# Advice about the machine, not about this installation: nothing for a first start.
IGNORED_OUTPUT = ("overcommit_memory",)


def _memory(text: str) -> str:
    """Return an amount of memory in the store's own form. Raises BadParameter."""
    if not re.fullmatch(r"[0-9]+([kmg]b?)?", text, re.IGNORECASE):
        raise click.BadParameter(
            f"{text!r} is no amount. Write one such as 512mb or 2gb."
        )
    return text


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of store, archive and read model.  [data]",
)
@click.option("--redis-url", help="Use this Redis or Valkey, not the embedded store.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--api-port", type=PORT, default=8000, show_default=True)
@click.option("--ingest-port", type=PORT, default=8001, show_default=True)
@click.option(
    "--store-maxmemory",
    default="1gb",
    show_default=True,
    callback=lambda _ctx, _parameter, text: _memory(text),
    help="Memory of the embedded store; submissions get 503 at 80 % of it.",
)
def up(
    data_dir: Path | None,
    redis_url: str | None,
    host: str,
    api_port: int,
    ingest_port: int,
    store_maxmemory: str,
) -> None:
    """Run all of Incidentwire here until Ctrl-C or SIGTERM.

    A process that ends is started again. Files are readable by the current user only.
    """
    settings = from_env()
    if redis_url is not None:
        dataclasses.replace(settings, redis_url=redis_url)  # checks it
    installation = Installation(
        host=host,
        api_port=api_port,
        ingest_port=ingest_port,
        data_dir=(data_dir or settings.data_dir).absolute(),
        store_maxmemory=store_maxmemory,
    )
    run(installation, settings, redis_url)


def run(
    installation: Installation, settings: Settings, redis_url: str | None = None
) -> None:
    """Start every process and stay until told to stop. Raises click.ClickException."""
    os.umask(0o077)
    with _locked(installation.data_dir) as lock_fd:
        _check_ports(installation)
        supervisor = Supervisor(_echo)
        supervisor.handle_signals()
        if redis_url is None:
            supervisor.start(_store(installation, lock_fd))
        preload()  # while the store starts
        try:
            _run(installation, settings, redis_url, supervisor)
        finally:
            if not supervisor.is_stopped:
                supervisor.stop()
            context.running_file(installation.data_dir).unlink(missing_ok=True)


def _run(
    installation: Installation,
    settings: Settings,
    redis_url: str | None,
    supervisor: Supervisor,
) -> None:
    addresses = {
        "redis_url": redis_url or installation.store_url,
        "api_url": installation.api_url,
        "ingest_url": installation.ingest_url,
    }
    if not _store_answers(addresses["redis_url"], supervisor):
        return
    key_file = ensure_first_key(addresses["redis_url"], installation.data_dir)
    settings = dataclasses.replace(
        settings,
        data_dir=installation.data_dir,
        **addresses,  # type: ignore[arg-type]
    )
    environ = {**ENVIRON, **os.environ, **to_env(settings)}
    for name, command in commands(installation).items():
        if supervisor.is_stopping:
            return
        supervisor.start(Child(name, command, environ, is_module=True))
    context.write_running(installation.data_dir, **addresses)
    _print_addresses(installation, key_file)
    _print_sign_in(settings, key_file)
    supervisor.run()


def ensure_first_key(store_url: str, data_dir: Path) -> Path | None:
    """Create a key with all scopes if there is none; return the file that holds it.

    Return None if keys exist but the file does not, as on restored data.
    """
    keys = Keys(connect(store_url))
    path = context.key_file(data_dir)
    if not keys.list():
        if path.exists():
            click.echo(STORE_EMPTY, err=True)
        secret = keys.create(FIRST_KEY, SCOPES)
        context.write_private(path, secret + "\n")
    return path if path.exists() else None


@contextlib.contextmanager
def _locked(data_dir: Path) -> Iterator[int]:
    try:
        fd = folder_lock.lock(data_dir)
    except folder_lock.FolderInUse as error:
        raise click.ClickException(str(error)) from None
    try:
        yield fd
    finally:
        os.close(fd)


def _store(installation: Installation, lock_fd: int) -> Child:
    """Describe the embedded store, which ends after all others: they write as they end."""
    return Child(
        "store",
        store_command(installation),
        os.environ,
        stops_last=True,
        inherited_fds=(lock_fd,),
        parent_death_signal=signal.SIGTERM,
    )


def _store_answers(url: str, supervisor: Supervisor) -> bool:
    """Wait until the store answers; return False if told to stop meanwhile."""
    connection = connect(url)
    left = STORE_READY_S
    if not supervisor.children:
        _echo("up", "waiting for the store to answer")
    while not supervisor.is_stopping:
        try:
            connection.ping()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            left -= supervisor.tick()
            if any(child.failures for child in supervisor.children):
                raise click.ClickException(STORE_ENDED) from None
            if left < 0:
                raise click.ClickException(
                    f"The store does not answer: {error}"
                ) from None
        else:
            return True
    return False


def _check_ports(installation: Installation) -> None:
    if installation.api_port == installation.ingest_port:
        raise click.UsageError("--api-port and --ingest-port must differ.")
    for option, port in (
        ("--api-port", installation.api_port),
        ("--ingest-port", installation.ingest_port),
    ):
        error = _refused(installation.host, port)
        if error == errno.EADDRINUSE:
            raise click.ClickException(
                f"Port {port} is taken. Choose another with {option}."
            )
        if error is not None:
            raise click.ClickException(
                f"{installation.host}, port {port}: {os.strerror(error)}. --host is an"
                f" address of this machine, {option} a port that you may use."
            )


def _refused(host: str, port: int) -> int | None:
    """Return the number of the error of listening there; None if it is possible."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((host, port))
        except socket.gaierror:
            return errno.EADDRNOTAVAIL
        except OSError as error:
            return error.errno
    return None


def _print_addresses(installation: Installation, key_file: Path | None) -> None:
    lines = [
        f"API     {installation.api_url}/v1/items",
        f"docs    {installation.api_url}/docs",
        f"ingest  {installation.ingest_url}/v1/submissions",
        f"data    {installation.data_dir}",
    ]
    if key_file:
        lines.append(f"export KEY=$(cat {context.shell_word(key_file)})")
    else:
        lines.append("No key is stored here. Create one: incidentwire keys create NAME")
    lines.append("Ctrl-C ends everything.")
    for line in lines:
        click.echo(line, err=True)


def _print_sign_in(settings: Settings, key_file: Path | None) -> None:
    """Print a link that signs in, to a terminal only: logs are kept and read by others."""
    if key_file is None:
        return
    command = "incidentwire users link"
    if not sys.stderr.isatty():
        click.echo(f"pages   {settings.api_url}/  (sign in: {command})", err=True)
        return
    key = key_file.read_text().strip()
    link = sign_in.of_key(dataclasses.replace(settings, key=key))
    if link:
        click.echo(f"pages   {link}", err=True)
        click.echo(
            f"        Works once, for 15 minutes; a new one: {command}", err=True
        )


def _echo(name: str, line: str) -> None:
    if any(part in line for part in IGNORED_OUTPUT):
        return
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(f"{name:<18} | {context.printable(line)}\n")
        sys.stdout.flush()
