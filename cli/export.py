"""`incidentwire export warc`: the evidence of many items in one WARC file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import click
import requests

from cli import context
from cli.progress import bar
from incidentwire.labels import LABELS
from incidentwire.settings import Settings

PAGE = 200  # items per request: as many as the API gives
NOTHING_KEPT = (404, 410)  # rejected without a page; expired; withdrawn meanwhile


@click.group()
def export() -> None:
    """Export evidence in standard files."""


@export.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Such as out.warc.gz.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    type=click.Choice(LABELS),
    help="Only items that have all of these.",
)
@click.option(
    "--after",
    type=int,
    default=0,
    help="Only items that changed after this position of the log.",
)
def warc(output: Path, labels: tuple[str, ...], after: int) -> None:
    """Write pages, documents and texts as WARC 1.1; any WARC tool reads the file.

    The last line tells the position to give as --after next time. An existing file is not
    overwritten.
    """
    if output.exists():
        raise click.ClickException(
            f"{output} exists. Choose another name, or delete it."
        )
    settings = context.current_settings()
    unfinished = output.with_name(output.name + ".part")
    position = int(
        _list(settings, labels, None, 1)["position"]
    )  # before: what changes meanwhile comes next time too
    try:
        with unfinished.open("wb") as file, bar("exporting") as advance:
            written, skipped = _write(
                settings, _ids(settings, labels, after), file, advance
            )
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
    click.echo(
        f"{written} items written, {skipped} without stored evidence; next time: --after {position}"
    )


def _write(
    settings: Settings, ids: Iterator[str], file: IO[bytes], advance: Any
) -> tuple[int, int]:
    """Return (items written, items without stored evidence); files are concatenated."""
    written = skipped = 0
    for item_id in ids:
        url = f"{settings.api_url}/v1/items/{item_id}/evidence.warc.gz"
        response = requests.get(
            url, headers=context.headers(settings), timeout=context.TIMEOUT_S
        )
        if response.status_code in NOTHING_KEPT:
            skipped += 1
        elif response.status_code >= 400:
            raise click.ClickException(f"{item_id}: {context.problem_text(response)}")
        else:
            file.write(response.content)
            written += 1
        advance()
    return written, skipped


def _ids(settings: Settings, labels: tuple[str, ...], after: int) -> Iterator[str]:
    cursor: str | None = None
    while True:
        page = _list(settings, labels, cursor, PAGE)
        yield from (item["id"] for item in page["items"] if item["position"] > after)
        cursor = page["next"]
        if cursor is None:
            return


def _list(
    settings: Settings, labels: tuple[str, ...], cursor: str | None, limit: int
) -> Mapping[str, Any]:
    params: list[tuple[str, str]] = [("label", label) for label in labels] + [
        ("limit", str(limit))
    ]
    if cursor:
        params.append(("cursor", cursor))
    page: Mapping[str, Any] = context.call(
        "GET", f"{settings.api_url}/v1/items", settings, params=params
    ).json()
    return page
