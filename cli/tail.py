"""`incidentwire tail`: subscribe, print, resume."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import requests

from cli import context
from incidentwire.settings import Settings

RETRY_S = 2.0
EXIT_GAP = 3
UNTITLED = ("item.submitted", "item.fetched")  # nothing is known yet
SILENCE_S = 60.0  # the server sends a checkpoint every 15 s
CURSOR = re.compile(r"[0-9]{1,15}(-[0-9a-f]{16})?\Z")  # a position, and its event
Message = tuple[str, str, dict[str, Any]]  # event name, cursor, data


@click.command()
@click.option(
    "--after",
    type=click.IntRange(min=0),
    help="Begin after this position; 0 is the beginning.  [now]",
)
@click.option(
    "--type", "types", multiple=True, help="Only these types, such as item.classified."
)
@click.option(
    "--label", "labels", multiple=True, help="Only what has, or had, one of these."
)
@click.option("--count", type=click.IntRange(min=1), help="End after so many events.")
@click.option(
    "--cursor",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the last event in this file and resume after it.",
)
@click.option("--no-titles", is_flag=True, help="Do not ask the API for titles.")
@click.option(
    "--json", "as_json", is_flag=True, help="One CloudEvents envelope a line."
)
def tail(
    after: int | None,
    types: tuple[str, ...],
    labels: tuple[str, ...],
    count: int | None,
    cursor: Path | None,
    no_titles: bool,
    as_json: bool,
) -> None:
    """Follow the event log: position, time, type, subject, what it says, title.

    A broken connection is resumed where it broke. A gap (the log no longer continues
    from the cursor) ends with exit code 3.
    """
    settings = context.current_settings()
    begin = None if after is None else str(after)
    if cursor and cursor.exists():
        begin = _read_cursor(cursor)
    titles = None if no_titles else Titles(settings)
    seen = 0
    for name, reached, data in follow(settings, begin, types, labels):
        if name == "gap":
            click.echo(f"gap: {json.dumps(data)}", err=True)
            click.echo(
                "The log does not continue from there. Load the items again, then"
                f" follow it with --after {data['last']} and a new cursor file.",
                err=True,
            )
            raise SystemExit(EXIT_GAP)
        if name != "checkpoint":
            line = json.dumps(data, ensure_ascii=False) if as_json else None
            click.echo(line or _line(data, titles))
            seen += 1
        if cursor:
            context.write_private(cursor, reached)
        if count and seen >= count:
            return


def _read_cursor(path: Path) -> str:
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    if not CURSOR.match(text):
        raise click.ClickException(
            f"{path} does not hold a position. Delete it, or name another file."
        )
    return text


class Titles:
    """Titles of items and incidents, asked from the API: events hold no words of a page."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def get(self, subject: str, position: int) -> str:
        """Return the title at a position; "" if there is none."""
        kind = {"i_": "items", "n_": "incidents"}.get(subject[:2])
        if kind is None:
            return ""
        try:
            response = requests.get(
                f"{self._settings.api_url}/v1/{kind}/{subject}",
                params={"min_position": position},
                headers=context.headers(self._settings),
                timeout=context.TIMEOUT_S,
            )
            return response.json().get("title") or "" if response.ok else ""
        except (requests.RequestException, ValueError):
            return ""


def follow(
    settings: Settings,
    cursor: str | None,
    types: tuple[str, ...] = (),
    labels: tuple[str, ...] = (),
) -> Iterator[Message]:
    """Yield (event name, cursor, data) for ever, over broken connections.

    Checkpoints and gaps come too. A server that does not answer is reported on stderr
    once and tried again every RETRY_S. Raises click.ClickException if it refuses.
    """
    url = f"{settings.api_url}/v1/events/stream"
    is_reported = False
    while True:
        params = [("type", name) for name in types]
        params += [("label", label) for label in labels]
        if cursor is not None:
            params.append(("cursor", cursor))
        try:
            for message in messages_of(settings, url, params):
                is_reported = False
                cursor = message[1]
                yield message
        except requests.RequestException:
            if not is_reported:
                click.echo(
                    f"No answer from {url}; trying again every {RETRY_S:g} s", err=True
                )
                is_reported = True
            time.sleep(RETRY_S)


def messages_of(
    settings: Settings, url: str, params: list[tuple[str, str]]
) -> Iterator[Message]:
    """Yield the messages of one connection to the event stream."""
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


def events_of(response: requests.Response) -> Iterator[Message]:
    """Yield the server-sent events of one answer."""
    fields: dict[str, str] = {}
    for raw in response.iter_lines(chunk_size=None):
        line = raw.decode()
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield (
                fields.get("event", "message"),
                fields.get("id", ""),
                json.loads(fields["data"]),
            )
            fields = {}


def _line(event: dict[str, Any], titles: Titles | None) -> str:
    data = event["data"]
    what = " ".join(data.get("labels", ())) or data.get("reason") or data.get("url")
    cells = [event["sequence"], event["time"], event["type"], event["subject"], what]
    if titles and event["type"] not in UNTITLED:
        cells.append(titles.get(event["subject"], event["sequence"]))
    return "\t".join(context.printable(str(cell or "")) for cell in cells)
