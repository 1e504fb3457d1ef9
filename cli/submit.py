"""`incidentwire submit`: hand in URLs, a file of URLs, or NDJSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import IO

import click
import requests

from cli import context
from cli.progress import bar
from incidentwire.settings import Settings

NDJSON = "application/x-ndjson"


@click.command()
@click.argument("urls", nargs=-1)
@click.option(
    "--file",
    "file",
    type=click.File("r"),
    help="One URL per line; - is standard input.",
)
@click.option(
    "--ndjson",
    type=click.File("rb"),
    help="One submission (JSON object) per line; - is standard input.",
)
def submit(
    urls: tuple[str, ...], file: IO[str] | None, ndjson: IO[bytes] | None
) -> None:
    """Hand in news items; prints one line per item. Exits 1 when any was refused."""
    settings = context.current_settings()
    if sum((bool(urls), file is not None, ndjson is not None)) != 1:
        raise click.UsageError(
            "say what to submit: incidentwire submit URL…, or --file urls.txt, or --ndjson items.ndjson"
        )
    if ndjson is not None:
        lines: Iterable[bytes] = (line for line in ndjson if line.strip())
    else:
        wanted = urls or [line.strip() for line in file or () if line.strip()]
        lines = [json.dumps({"url": url}).encode() + b"\n" for url in wanted]
    refused = 0
    with bar("submitting") as advance:
        for answer in _answers(settings, lines):
            refused += int(str(answer["status"])) >= 400
            click.echo(_line(answer))
            advance()
    raise SystemExit(1 if refused else 0)


def _answers(settings: Settings, lines: Iterable[bytes]) -> Iterator[dict[str, object]]:
    """Submit in bodies that the server takes, and yield its results in order."""
    for body in _bodies(lines, settings.max_bulk_items):
        response = context.call(
            "POST",
            f"{settings.ingest_url}/v1/submissions",
            settings,
            data=body,
            headers={"Content-Type": NDJSON},
            stream=True,
        )
        with response:
            try:
                yield from (json.loads(line) for line in response.iter_lines() if line)
            except requests.exceptions.ChunkedEncodingError:
                raise click.ClickException(
                    "the answer broke off: submit again, what is known is not taken twice"
                ) from None


def _bodies(lines: Iterable[bytes], size: int) -> Iterator[bytes]:
    body: list[bytes] = []
    for line in lines:
        body.append(line if line.endswith(b"\n") else line + b"\n")
        if len(body) == size:
            yield b"".join(body)
            body = []
    if body:
        yield b"".join(body)


def _line(answer: dict[str, object]) -> str:
    if "id" in answer:
        word = "known" if answer["known"] else "accepted"
        return f"{answer['id']}\t{word}\t{answer['position']}"
    errors = answer.get("errors") or [
        {"field": "", "message": answer.get("detail", "refused")}
    ]
    said = "; ".join(f"{e['field']} {e['message']}".strip() for e in errors)  # type: ignore[attr-defined]
    return f"line {answer['line']}\trefused\t{said}"
