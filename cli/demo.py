"""`incidentwire demo`: the whole path on this machine, with pages from a local server."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import requests

from cli import context, demo_pages, folder_lock, sign_in
from cli.parent_death import die_with_parent
from cli.tail import Message, messages_of
from incidentwire.settings import PREFIX, Settings

START_S = 120.0
FINISH_S = 120.0
POLL_S = 0.1
MAX_QUOTE = 160  # characters
ENDS = ("item.classified", "item.rejected")


@click.command()
@click.option(
    "--articles",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of articles as JSON files (title, text).  [the demo's own]",
)
@click.option(
    "--once",
    is_flag=True,
    help="End by itself; exit 0 only if every article was classified.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data/demo"),
    show_default=True,
    help="Emptied first.",
)
def demo(articles: Path | None, once: bool, data_dir: Path) -> None:
    """Start everything, submit a few articles, show what becomes of them."""
    signals = Signals()
    try:
        chosen = demo_pages.articles(articles)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if not chosen:
        raise click.UsageError(f"There is no .json file in {articles}.")
    data_dir = data_dir.absolute()
    _empty(data_dir)
    with (
        demo_pages.serving([demo_pages.page(a) for a in chosen]) as urls,
        _everything(data_dir, urls[0]) as up,
    ):
        running = Running(data_dir, up, signals)
        settings = _wait_until_ready(running)
        click.echo(f"Incidentwire is up. Submitting {len(urls)} local pages.\n")
        classified = _submit_and_follow(running, settings, urls)
        click.echo(f"\n{classified} of {len(urls)} articles were classified.\n")
        if not once:
            _print_next_steps(settings)
        while not once and not signals.received:
            running.check()
            time.sleep(POLL_S)
    raise SystemExit(0 if classified == len(urls) else 1)


class Signals:
    """SIGINT and SIGTERM, recorded and not raised.

    An exception that a handler raises is lost if the interpreter is in a callback just
    then, as in those around a fork. More than one signal changes nothing.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda received, _: self.received.append(received))


@dataclass(frozen=True)
class Running:
    """The `incidentwire up` of the demo."""

    data_dir: Path
    process: subprocess.Popen[bytes]
    signals: Signals

    def check(self) -> None:
        """Raise SystemExit after a signal, click.ClickException after the end of `up`."""
        if self.signals.received:
            raise SystemExit(128 + self.signals.received[0])
        if self.process.poll() is not None:
            raise self.failed("It ended.")

    def failed(self, what: str) -> click.ClickException:
        """Return the error that names the log."""
        return click.ClickException(f"{what} See {self.data_dir / 'up.log'}.")


def _empty(data_dir: Path) -> None:
    """Delete what the last demo left; refuse a folder that is in use or no demo's."""
    if (data_dir / "store").exists() and not (data_dir / "demo").exists():
        raise click.ClickException(
            f"{data_dir} holds data of `incidentwire up`. Choose another --data-dir."
        )
    try:
        fd = folder_lock.lock(data_dir)
    except folder_lock.FolderInUse as error:
        raise click.ClickException(str(error)) from None
    for path in data_dir.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != folder_lock.LOCK:
            path.unlink()
    (data_dir / "demo").touch()
    os.close(fd)


@contextlib.contextmanager
def _everything(data_dir: Path, page_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `incidentwire up`, allowed to fetch from the demo's page server."""
    environ = {
        **os.environ,
        PREFIX + "ALLOWED_HOSTS": page_url.split("/")[2],
        PREFIX + "HOST_PAUSE_S": "0",
    }
    command = [sys.executable, "-m", "cli", "up", "--data-dir", str(data_dir)]
    command += ["--api-port", str(_port(8000)), "--ingest-port", str(_port(8001))]
    with (data_dir / "up.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # our own command line
            command,
            env=environ,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _wait_until_ready(running: Running) -> Settings:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        running.check()
        with contextlib.suppress(OSError, ValueError, requests.RequestException):
            known: dict[str, Any] = json.loads(
                context.running_file(running.data_dir).read_text()
            )
            known["key"] = context.key_file(running.data_dir).read_text().strip()
            addresses = (known["api_url"], known["ingest_url"])
            if all(requests.get(f"{url}/readyz", timeout=2).ok for url in addresses):
                return dataclasses.replace(
                    Settings(), data_dir=running.data_dir, **known
                )
        time.sleep(POLL_S)
    raise running.failed("It did not start.")


def _submit_and_follow(running: Running, settings: Settings, urls: list[str]) -> int:
    """Submit the URLs and print each result; return how many were classified."""
    waiting = {_submit(settings, url): url for url in urls}
    messages: queue.Queue[Message] = queue.Queue()
    threading.Thread(target=_receive, args=(settings, messages), daemon=True).start()
    deadline = time.monotonic() + FINISH_S
    classified = 0
    while waiting:
        running.check()
        if time.monotonic() > deadline:
            click.echo(f"{len(waiting)} articles did not end within {FINISH_S:g} s.")
            break
        with contextlib.suppress(queue.Empty):
            name, _, event = messages.get(timeout=POLL_S)
            if name != "gap" and event.get("type") in ENDS:
                url = waiting.pop(event["subject"], None)
                classified += _print_end(settings, event, url)
    return classified


def _receive(settings: Settings, messages: queue.Queue[Message]) -> None:
    """Put the events of the log into the queue until the server ends."""
    url = f"{settings.api_url}/v1/events/stream"
    with contextlib.suppress(requests.RequestException, click.ClickException):
        for message in messages_of(settings, url, [("after", "0")]):
            messages.put(message)


def _submit(settings: Settings, url: str) -> str:
    response = context.call(
        "POST", f"{settings.ingest_url}/v1/submissions", settings, json={"url": url}
    )
    item_id: str = response.json()["id"]
    return item_id


def _print_end(settings: Settings, event: Mapping[str, Any], url: str | None) -> bool:
    if event["type"] == "item.rejected":
        click.echo(
            f"{click.style('rejected', fg='red')} {url}: {event['data']['reason']}"
        )
        return False
    _print_item(settings, event["subject"], event["sequence"])
    return True


def _print_item(settings: Settings, item_id: str, position: int) -> None:
    item = context.call(
        "GET",
        f"{settings.api_url}/v1/items/{item_id}",
        settings,
        params={"min_position": position},
    ).json()
    click.secho(f"{position:>3} {context.printable(item['title'])}", bold=True)
    labels = [f"{row['label']} {row['score']:.2f}" for row in item["labels"]]
    click.secho(f"    {' '.join(labels) or 'no label'}", fg="cyan")
    for row in item["labels"]:
        for passage in row["evidence"][:1]:
            quote = _shortened(context.printable(passage["quote"]))
            click.echo(f"    {row['label']}: “{quote}”")


def _shortened(quote: str) -> str:
    quote = " ".join(quote.split())
    return quote if len(quote) <= MAX_QUOTE else quote[: MAX_QUOTE - 1] + "…"


def _print_next_steps(settings: Settings) -> None:
    """Print commands as they can be pasted: no line is wrapped or coloured."""
    key_file = shlex.quote(str(context.key_file(settings.data_dir)))
    command = Path(sys.executable).with_name("incidentwire")
    lines = (
        f"API     {settings.api_url}/v1/items",
        f"docs    {settings.api_url}/docs",
        f"ingest  {settings.ingest_url}/v1/submissions",
        "",
        "In a second terminal:",
        "",
        f"export KEY=$(cat {key_file})",
        f"export INCIDENTWIRE_DATA_DIR={shlex.quote(str(settings.data_dir))}",
        f"{context.shell_word(command)} incidents list",
        f'curl -N -H "Authorization: Bearer $KEY"'
        f" '{settings.api_url}/v1/events/stream?after=0'",
        "",
        "The pages, signed in; the link works once, for 15 minutes:",
        "",
        sign_in.of_key(settings) or settings.api_url,
        "",
        "Ctrl-C ends the demo.",
    )
    for line in lines:
        click.echo(line)


def _port(wanted: int) -> int:
    """Return the usual port if it is free, else one of the system's choice."""
    for port in (wanted, 0):
        with socket.socket() as s, contextlib.suppress(OSError):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", port))
            found: int = s.getsockname()[1]
            return found
    raise click.ClickException("There is no free port on this machine.")
