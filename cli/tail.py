"""`incidentwire tail`: subscribe, print, resume."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import requests

from cli import context
from incidentwire.settings import Settings

RETRY_S = 2.0
SILENCE_S = 60.0  # the server sends a checkpoint every 15 s


@click.command()
@click.option(
    "--after",
    type=int,
    help="Begin behind this position; 0 is the beginning. [only what comes from now on]",
)
@click.option(
    "--type", "types", multiple=True, help="Only these types, such as item.classified."
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    help="Only what has, or had, one of these labels.",
)
@click.option("--count", type=int, help="End after so many events.")
@click.option(
    "--cursor",
    type=click.Path(path_type=Path),
    help="Remember the position in this file and resume from it.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="One CloudEvents envelope per line."
)
def tail(
    after: int | None,
    types: tuple[str, ...],
    labels: tuple[str, ...],
    count: int | None,
    cursor: Path | None,
    as_json: bool,
) -> None:
    """Follow the log. A broken connection is resumed where it broke; a gap ends with exit code 3."""
    settings = context.current_settings()
    if cursor and cursor.exists():
        after = int(cursor.read_text())
    seen = 0
    for name, position, data in follow(settings, after, types, labels):
        if name == "gap":
            click.echo(f"gap: {json.dumps(data)}", err=True)
            raise SystemExit(3)
        if cursor:
            cursor.write_text(str(position))
        if name == "checkpoint":
            continue
        click.echo(json.dumps(data, ensure_ascii=False) if as_json else _line(data))
        seen += 1
        if count and seen >= count:
            return


def follow(
    settings: Settings,
    after: int | None,
    types: tuple[str, ...] = (),
    labels: tuple[str, ...] = (),
) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Yield (event name, position, data) for ever, over broken connections.

    Checkpoints and gaps come too. A server that does not answer is reported on stderr
    once and tried again every RETRY_S. Raises click.ClickException if it refuses.
    """
    url = f"{settings.api_url}/v1/events/stream"
    is_reported = False
    while True:
        params = [("type", name) for name in types]
        params += [("label", label) for label in labels]
        if after is not None:
            params.append(("after", str(after)))
        try:
            for name, position, data in _messages(settings, url, params):
                is_reported = False
                after = position
                yield name, position, data
        except requests.RequestException:
            if not is_reported:
                click.echo(
                    f"No answer from {url}; trying again every {RETRY_S:g} s", err=True
                )
                is_reported = True
            time.sleep(RETRY_S)


def _messages(
    settings: Settings, url: str, params: list[tuple[str, str]]
) -> Iterator[tuple[str, int, dict[str, Any]]]:
    with requests.get(
        url,
        params=params,
        headers=context.headers(settings),
        stream=True,
        timeout=SILENCE_S,
    ) as response:
        if response.status_code >= 500:
            raise requests.ConnectionError
        if response.status_code >= 400:
            raise click.ClickException(context.problem_text(response))
        yield from events_of(response)


def events_of(response: requests.Response) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """The server-sent events of one answer."""
    fields: dict[str, str] = {}
    for raw in response.iter_lines(chunk_size=None):
        line = raw.decode()
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield (
                fields.get("event", "message"),
                int(fields.get("id", "0")),
                json.loads(fields["data"]),
            )
            fields = {}


def _line(event: dict[str, Any]) -> str:
    data = event["data"]
    said = (
        " ".join(data.get("labels", ())) or data.get("reason") or data.get("url") or ""
    )
    return f"{event['sequence']}\t{event['time']}\t{event['type']}\t{event['subject']}\t{said}"
