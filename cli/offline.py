"""Commands that work on files and need no server: extract, classify, cluster."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Any

import click

from cli.progress import bar
from services.classifier.extraction.extract import ExtractError
from services.classifier.extraction.extract import extract as read_page
from services.classifier.labelling.classifier import Classifier
from services.classifier.linking import cluster as grouping

Row = dict[str, Any]
CHUNK = 8  # rows a process takes at once
IN = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.File("w", encoding="utf-8", lazy=False)

processes_option = click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=os.cpu_count() or 1,
    show_default=True,
)


@click.command()
@click.option(
    "--input",
    "source",
    type=IN,
    required=True,
    help="JSON lines with id, html (a path below DIR), url.",
)
@click.option(
    "--html-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
)
@click.option(
    "--output",
    type=OUT,
    required=True,
    help="JSON lines with id, title, text, author, published, language.",
)
@processes_option
def extract(source: Path, html_dir: Path, output: IO[str], processes: int) -> None:
    """Extract the articles of saved pages."""
    rows = (
        {**row, "path": str(html_dir / row["html"])}
        for row in _rows(source, ("id", "html", "url"))
    )
    _run(_extract_row, rows, output, processes, "extracting", _count(source))


@click.command()
@click.option(
    "--input", "source", type=IN, required=True, help="JSON lines with id, title, text."
)
@click.option(
    "--output",
    type=OUT,
    required=True,
    help="JSON lines with id, labels, scores, evidence, review.",
)
@processes_option
def classify(source: Path, output: IO[str], processes: int) -> None:
    """Label texts."""
    _run(
        _classify_row,
        _rows(source, ("id",)),
        output,
        processes,
        "classifying",
        _count(source),
    )


@click.command()
@click.option(
    "--input",
    "source",
    type=IN,
    required=True,
    help="JSON lines with id, title, text, and date if known.",
)
@click.option(
    "--output",
    type=OUT,
    required=True,
    help="JSON lines with id, cluster, score; a row per mention.",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Treat every text as relevant, with one mention.",
)
def cluster(source: Path, output: IO[str], everything: bool) -> None:
    """Group texts by incident, as the linker would."""
    mentions = grouping.whole if everything else _labelled_mentions
    with bar("grouping", _count(source)) as advance:
        for row in grouping.cluster(_rows(source, ("id",)), mentions):
            output.write(
                json.dumps(
                    {"id": row.id, "cluster": row.cluster, "score": round(row.score, 4)}
                )
                + "\n"
            )
            advance()
    output.flush()


def _labelled_mentions(title: str, text: str, date: str | None) -> list[str]:
    return [
        mention.fingerprint
        for mention in _classifier().classify(title, text, published=date).mentions
    ]


def _run(
    work: Callable[[Row], Row],
    rows: Iterable[Row],
    output: IO[str],
    processes: int,
    what: str,
    total: int,
) -> None:
    """Write the results in the order of the input, in constant memory."""
    failed = 0
    with bar(what, total) as advance:
        for result in _map(work, rows, processes):
            failed += "error" in result
            output.write(json.dumps(result, ensure_ascii=False) + "\n")
            advance()
    output.flush()  # a full disk is reported here
    if failed:
        click.echo(
            f"{failed} of {total} rows have an error: see their field 'error'.",
            err=True,
        )


def _map(
    work: Callable[[Row], Row], rows: Iterable[Row], processes: int
) -> Iterator[Row]:
    if processes <= 1:
        yield from map(work, rows)
        return
    with get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(work, rows, CHUNK)


def _extract_row(row: Row) -> Row:
    path = Path(row["path"])
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        body = file.read()
    try:
        found = read_page(
            body, media_type="text/html", charset=None, url=row.get("url") or ""
        )
    except ExtractError as error:
        return {"id": row["id"], "title": "", "text": "", "error": error.reason}
    return {
        "id": row["id"],
        "title": found.title,
        "text": found.text,
        "author": found.author,
        "published": found.published,
        "language": found.language,
    }


@cache
def _classifier() -> Classifier:
    return Classifier.load()


def _classify_row(row: Row) -> Row:
    result = _classifier().classify(
        row.get("title") or "", row.get("text") or "", row.get("language")
    )
    return {
        "id": row["id"],
        "labels": list(result.labels),
        "scores": {label: round(score, 4) for label, score in result.scores.items()},
        "evidence": result.evidence,
        "review": list(result.review),
    }


def _rows(source: Path, needed: tuple[str, ...]) -> Iterator[Row]:
    with _open(source) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row: Row = json.loads(line)
                missing = [name for name in needed if name not in row]
            except (ValueError, TypeError):
                raise click.ClickException(
                    f"{source}:{number} is not a JSON object."
                ) from None
            if missing:
                raise click.ClickException(
                    f"{source}:{number} has no field {missing[0]!r}."
                )
            yield row


def _count(source: Path) -> int:
    with _open(source) as lines:
        return sum(1 for line in lines if line.strip())


def _open(source: Path) -> IO[str]:
    if source.suffix == ".gz":
        return gzip.open(source, "rt", encoding="utf-8-sig")
    return source.open(encoding="utf-8-sig")
