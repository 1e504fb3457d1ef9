"""`incidentwire demo`: the whole path on this machine, with real pages from a local server."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import requests
from rich.console import Console
from rich.markup import escape

from cli import context as running
from cli import demo_pages
from cli.processes import end_in_order
from cli.tail import follow
from incidentwire.settings import PREFIX, Settings

START_S = 60.0
FINISH_S = 120.0
MAX_QUOTE = 160  # characters

out = Console(highlight=False)


@click.command()
@click.option(
    "--articles",
    type=click.Path(path_type=Path),
    help="Folder of articles as JSON files. [the demo's own]",
)
@click.option(
    "--once",
    is_flag=True,
    help="End by itself; exit 0 only when every article came through.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=Path("data/demo"),
    show_default=True,
)
def demo(articles: Path | None, once: bool, data_dir: Path) -> None:
    """Start everything, hand in a few articles, show what becomes of them."""
    end_in_order()
    chosen = demo_pages.articles(articles)
    shutil.rmtree(data_dir, ignore_errors=True)
    with (
        demo_pages.serving([demo_pages.page(a) for a in chosen]) as urls,
        _everything(data_dir, urls[0]) as settings,
    ):
        out.print(
            f"\n[bold]Incidentwire is up.[/bold] Handing in {len(urls)} pages from a local server.\n"
        )
        came_through = _show(settings, urls)
        out.print(f"\n{came_through} of {len(urls)} articles came through.\n")
        _say_what_next(settings)
        if not once:
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    raise SystemExit(0 if came_through == len(urls) else 1)


@contextlib.contextmanager
def _everything(data_dir: Path, page_url: str) -> Iterator[Settings]:
    """`incidentwire up` in a process group of its own, allowed to fetch from the demo's page server."""
    api, ingest, store = (_port(p) for p in (8000, 8001, 6390))
    host = page_url.split("/")[2]
    environ = {
        **os.environ,
        PREFIX + "ALLOWED_HOSTS": host,
        PREFIX + "HOST_PAUSE_S": "0",
    }
    data_dir.mkdir(parents=True)
    command = [sys.executable, "-m", "cli", "up", "--data-dir", str(data_dir)]
    command += [
        "--api-port",
        str(api),
        "--ingest-port",
        str(ingest),
        "--store-port",
        str(store),
    ]
    with (data_dir / "up.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            command, env=environ, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield _wait_until_ready(data_dir, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _wait_until_ready(data_dir: Path, process: subprocess.Popen[bytes]) -> Settings:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, ValueError, requests.RequestException):
            known: dict[str, Any] = json.loads((data_dir / running.RUNNING).read_text())
            addresses = (known["api_url"], known["ingest_url"])
            if all(requests.get(f"{url}/readyz", timeout=2).ok for url in addresses):
                return dataclasses.replace(Settings(), data_dir=data_dir, **known)
        time.sleep(0.1)
    raise click.ClickException(f"it did not start: see {data_dir / 'up.log'}")


def _show(settings: Settings, urls: list[str]) -> int:
    """Hand in the URLs, and print each end as the log tells it; returns how many were classified."""
    waiting = {}
    for url in urls:
        answer = running.call(
            "POST", f"{settings.ingest_url}/v1/submissions", settings, json={"url": url}
        )
        waiting[answer.json()["id"]] = url
    deadline, came_through = time.monotonic() + FINISH_S, 0
    for name, position, event in follow(settings, 0):
        if name == "event" or name.startswith("item."):
            data = event["data"]
            if event["type"] == "item.classified":
                _print_item(settings, event["subject"], position)
                came_through += 1
            elif event["type"] == "item.rejected":
                out.print(
                    f"[red]rejected[/red] {waiting[event['subject']]}: {data['reason']}"
                )
            if event["type"] in ("item.classified", "item.rejected"):
                waiting.pop(event["subject"], None)
        if not waiting or time.monotonic() > deadline:
            return came_through
    return came_through


def _print_item(settings: Settings, item_id: str, position: int) -> None:
    params = {"min_position": position}
    item = running.call(
        "GET", f"{settings.api_url}/v1/items/{item_id}", settings, params=params
    ).json()
    said = " ".join(
        f"[bold cyan]{row['label']}[/bold cyan] {row['score']:.2f}"
        for row in item["labels"]
    )
    out.print(f"[dim]{position:>3}[/dim] [bold]{escape(item['title'])}[/bold]")
    out.print(f"    {said or '[dim]no label[/dim]'}")
    for row in item["labels"]:
        for passage in row["evidence"][:1]:
            out.print(
                f"    {row['label']}: “{escape(_shortened(passage['quote']))}”",
                style="italic",
            )


def _shortened(quote: str) -> str:
    quote = " ".join(quote.split())
    return quote if len(quote) <= MAX_QUOTE else quote[: MAX_QUOTE - 1] + "…"


def _say_what_next(settings: Settings) -> None:
    out.print(f"API    {settings.api_url}/v1/items   (browse {settings.api_url}/docs)")
    out.print(f"key    {settings.key}")
    out.print(
        f"[dim]curl -N -H 'Authorization: Bearer {settings.key}' '{settings.api_url}/v1/events/stream?after=0'[/dim]"
    )


def _port(wanted: int) -> int:
    """The usual port where it is free, else one of the system's choice."""
    for port in (wanted, 0):
        with socket.socket() as s, contextlib.suppress(OSError):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", port))
            found: int = s.getsockname()[1]
            return found
    raise click.ClickException("no free port on this machine")
