"""`incidentwire submit`: submit URLs, a file of URLs, a text, or NDJSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from typing import IO, Any

import click

from cli import context, output
from cli.progress import bar
from incidentwire.settings import Settings

NDJSON = "application/x-ndjson"
WAITING = ("queued", "waiting")
POLL_S = 0.5
MAX_ABOUT = 80  # characters of a text that name an item without title
Answer = dict[str, Any]

COLUMNS: output.Columns = {
    "id": lambda row: row.get("id"),
    "result": lambda row: row["result"],
    "position": lambda row: row.get("position"),
    "about": lambda row: row["about"],
}


@click.command()
@click.argument("urls", nargs=-1)
@click.option(
    "--file",
    type=click.File("rb"),
    help="One URL a line, # before comments; - is standard input.",
)
@click.option("--text", help="The text of an item; - is standard input.")
@click.option("--title", help="Title of --text.")
@click.option("--published", help="ISO 8601 date of --text.")
@click.option(
    "--ndjson",
    type=click.File("rb"),
    help="One submission a line: a JSON object with url or text, title, published,"
    " language; - is standard input.",
)
@click.option("--wait", is_flag=True, help="Wait until each item is classified.")
@output.json_option
def submit(
    urls: tuple[str, ...],
    file: IO[bytes] | None,
    text: str | None,
    title: str | None,
    published: str | None,
    ndjson: IO[bytes] | None,
    wait: bool,
    as_json: bool,
) -> None:
    """Submit news items; print one line per item.

    With --text, one URL may be given: where the text is from. Exits 1 if any item was
    refused or, with --wait, rejected.
    """
    settings = context.current_settings()
    if text is not None:
        if file or ndjson or len(urls) > 1:
            raise click.UsageError(
                "Submit a text alone, with at most one URL: where it is from."
            )
        given = {"url": urls[0] if urls else None, "title": title}
        given |= {"text": sys.stdin.read() if text == "-" else text}
        given |= {"published": published}
        submissions: Iterable[Answer] = [{k: v for k, v in given.items() if v}]
    else:
        _check(urls, file, ndjson, title or published)
        submissions = _submissions(urls, file, ndjson)
    rows = rows_of(settings, submissions)
    if wait:
        rows = _ends(settings, list(rows))
    failed: list[Answer] = []
    output.write(_noting_failures(rows, failed), COLUMNS, as_json=as_json)
    raise SystemExit(1 if failed else 0)


def _check(
    urls: tuple[str, ...],
    file: IO[bytes] | None,
    ndjson: IO[bytes] | None,
    of_a_text: str | None,
) -> None:
    if sum((bool(urls), file is not None, ndjson is not None)) != 1 or of_a_text:
        raise click.UsageError(
            "Say what to submit: incidentwire submit URL…, --file urls.txt,"
            " --ndjson items.ndjson, or --text TEXT with --title and --published."
        )


def _submissions(
    urls: tuple[str, ...], file: IO[bytes] | None, ndjson: IO[bytes] | None
) -> Iterator[Answer]:
    if ndjson is not None:
        yield from _json_lines(ndjson)
        return
    lines = urls or (file.read().decode("utf-8-sig").splitlines() if file else ())
    for line in lines:
        url = _without_comment(line)
        if url:
            yield {"url": url}


def _without_comment(line: str) -> str:
    """Return the URL of a line; a # at its beginning or after a blank begins a comment."""
    return f" {line}".replace("\t", " ").partition(" #")[0].strip()


def _json_lines(file: IO[bytes]) -> Iterator[Answer]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8-sig"))
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise click.ClickException(f"Line {number} is not a JSON object.")
        yield row


def rows_of(settings: Settings, submissions: Iterable[Answer]) -> Iterator[Answer]:
    """Submit in bodies that the server accepts; yield its answers in order."""
    with bar("submitting") as advance:
        for batch in _batches(submissions, settings.max_bulk_items):
            for submission, answer in zip(batch, _post(settings, batch), strict=False):
                yield _row(submission, answer)
                advance()


def _post(settings: Settings, batch: list[Answer]) -> Iterator[Answer]:
    import requests

    response = context.call(
        "POST",
        f"{settings.ingest_url}/v1/submissions",
        settings,
        data=b"".join(json.dumps(row).encode() + b"\n" for row in batch),
        headers={"Content-Type": NDJSON},
        stream=True,
    )
    with response:
        try:
            yield from (json.loads(line) for line in response.iter_lines() if line)
        except requests.exceptions.ChunkedEncodingError:
            raise click.ClickException(
                "The connection broke. Submit again: known items are not taken twice."
            ) from None


def _batches(rows: Iterable[Answer], size: int) -> Iterator[list[Answer]]:
    batch: list[Answer] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _row(submission: Answer, answer: Answer) -> Answer:
    text = str(submission.get("text") or "")[:MAX_ABOUT]
    name = submission.get("url") or submission.get("title") or text
    if "id" in answer:
        result = "known" if answer["known"] else "accepted"
        return answer | {"result": result, "about": name}
    errors = answer.get("errors") or [
        {"field": "", "message": answer.get("detail", "refused")}
    ]
    why = "; ".join(f"{e['field']} {e['message']}".strip() for e in errors)
    return answer | {"result": "refused", "about": f"{name}: {why}"}


def _ends(settings: Settings, rows: list[Answer]) -> Iterator[Answer]:
    """Yield each row when its item has ended, with the labels or the reason."""
    for row in rows:
        if "id" not in row:
            yield row
            continue
        url = f"{settings.ingest_url}/v1/submissions/{row['id']}"
        receipt = context.call("GET", url, settings).json()
        reported = 0
        while receipt["state"] in WAITING:
            reported = _report_retry(receipt, row["about"], reported)
            time.sleep(POLL_S)
            receipt = context.call("GET", url, settings).json()
        outcome = ",".join(receipt["labels"]) or receipt["reason"] or "no label"
        yield row | {
            "result": receipt["state"],
            "labels": receipt["labels"],
            "reason": receipt["reason"],
            "position": receipt["position"],
            "about": f"{outcome}: {row['about']}",
        }


def _report_retry(receipt: Answer, about: str, reported: int) -> int:
    """Print once per attempt that a page is tried again later; return the attempt."""
    attempt = receipt["attempt"]
    if receipt["state"] == "waiting" and attempt != reported:
        why = receipt["detail"] or receipt["reason"] or "no answer"
        then = f"is tried again at {receipt['next_try']}. Ctrl-C ends the waiting only."
        line = f"{about}: attempt {attempt} failed ({why}); the page {then}"
        click.echo(context.printable(line), err=True)
        return int(attempt)
    return reported


def _noting_failures(rows: Iterable[Answer], failed: list[Answer]) -> Iterator[Answer]:
    for row in rows:
        if row["result"] in ("refused", "rejected"):
            failed.append(row)
        yield row
