"""Commands about the model: reclassify, corrections, explain."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console
from rich.text import Text

from cli import ids, output
from cli.context import call, current_settings, printable
from cli.progress import bar
from incidentwire.archive import Archive, ContentCorrupt, ContentNotFound
from incidentwire.documents import StoredDocument
from incidentwire.labels import LABEL_TABLE, LABELS, certainty
from incidentwire.log.event_log import EventLog
from incidentwire.net.client import HttpClient
from incidentwire.store import connect
from services.classifier import reclassify as again
from services.classifier.extraction.extract import ExtractError
from services.classifier.extraction.extract import extract as read_page
from services.classifier.fetching.result import FetchFailure
from services.classifier.labelling.classifier import (
    Classification,
    Classifier,
    language_of,
)
from services.classifier.linking.fingerprint_key import fingerprint_key
from services.classifier.page_reading import fetch_document
from services.classifier.recorder import utc_now

TOP = 8  # features shown per label
CHANGES: output.Columns = {
    "label": lambda row: row["label"],
    "gained": lambda row: row["gained"],
    "lost": lambda row: row["lost"],
}


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@output.json_option
def reclassify(dry_run: bool, as_json: bool) -> None:
    """Run the installed model over the stored texts; interrupt and resume at will."""
    settings = current_settings()
    connection = connect(settings.redis_url)
    log = EventLog(connection)
    archive = Archive(settings.archive)
    classifier = Classifier.load()
    key = fingerprint_key(settings, connection)
    if not dry_run:
        with bar("reclassifying") as advance:
            done = again.apply(log, archive, classifier, key, advance)
        click.echo(f"{done} items were reclassified by {classifier.version}")
        return
    with bar("comparing") as advance:
        found = again.compare(log, archive, classifier, key, advance)
    if as_json:
        for change in found.telling:
            output.write_json(
                {
                    "id": change.item.id,
                    "gained": sorted(change.gained),
                    "lost": sorted(change.lost),
                    "swing": change.swing,
                }
            )
        return
    rows = [
        {"label": name, "gained": found.gained[name], "lost": found.lost[name]}
        for name in LABELS
    ]
    output.write(rows, CHANGES, as_json=False)
    click.echo(f"{len(found.changes)} of {found.looked_at} items change")
    click.echo(
        f"corrected items: {found.now_with_people} now agree with the curator,"
        f" {found.now_against_people} no longer do"
    )
    if found.missing:
        click.echo(f"{found.missing} texts are no longer stored")
    for change in found.telling:
        moves = [f"+{label}" for label in sorted(change.gained)]
        moves += [f"-{label}" for label in sorted(change.lost)]
        title = printable(change.title)
        click.echo(
            f"{change.swing:.2f}  {' '.join(moves):<24} {change.item.id}  {title}"
        )


@click.group()
def corrections() -> None:
    """Labels that curators corrected."""


@corrections.command()
@click.option(
    "--output",
    type=click.File("w"),
    default="-",
    help="JSON lines; - is standard output.",
)
def export(output: IO[str]) -> None:
    """Write what people decided as training rows: id, lang, genre, title, text, labels.

    `review decide` counts as `items correct` does. Train with them in a checkout:
    make train CORRECTIONS=FILE
    """
    settings = current_settings()
    log = EventLog(connect(settings.redis_url))
    archive = Archive(settings.archive)
    for item in again.kept_items(log):
        if item.corrected is None or item.fetched is None:
            continue
        try:
            document = StoredDocument.from_bytes(
                archive.get(item.id, item.fetched.document_digest)
            )
        except (ContentNotFound, ContentCorrupt):
            continue
        row = {
            "id": f"correction-{item.id}",
            "lang": language_of(document.title, document.text, document.language),
            "genre": "correction",
            "title": document.title,
            "text": document.text,
            "labels": list(item.corrected.labels),
        }
        output.write(json.dumps(row, ensure_ascii=False) + "\n")


@click.command()
@click.argument("source")
@click.option("--title", default="", help="Title of a text that has none.")
@output.json_option
def explain(source: str, title: str, as_json: bool) -> None:
    """Show the evidence of a text, and what counted most.

    SOURCE is the id of an item, a URL, a file, or - for standard input.
    """
    title, text = _read(source, title)
    classifier = Classifier.load()
    result = classifier.classify(title, text)
    reasons = classifier.explain(title, text, TOP)
    if as_json:
        output.write_json(_as_json(text, result, reasons))
        return
    _print_text(title, text, result)
    for label in LABELS:
        mark = "●" if label in result.labels else "○"
        word = certainty(label, result.labels, result.review) or ""
        line = f"{mark} {label} {result.scores[label]:.2f} {word}".rstrip()
        click.secho(line, fg=LABEL_TABLE[label].colour)
        strongest = (f"{r.feature} {r.weight:+.2f}" for r in reasons.get(label, ()))
        click.secho(f"    {', '.join(strongest)}", dim=True)
    if "language" in result.review:
        click.echo("The model was not trained on the language of this text.")


def _print_text(title: str, text: str, result: Classification) -> None:
    """Print the text with its evidence in the colour of the label."""
    marked = Text("".join(c if c.isprintable() or c == "\n" else " " for c in text))
    for label, definition in LABEL_TABLE.items():
        for start, end in result.evidence.get(label, ()):
            marked.stylize(f"bold {definition.colour}", start, end)
    console = Console()
    if title:
        console.print(Text(printable(title), style="bold"))
    console.print(marked)
    console.print()


def _as_json(text: str, result: Classification, reasons: Any) -> dict[str, Any]:
    return {
        "labels": list(result.labels),
        "scores": result.scores,
        "review": list(result.review),
        "certainty": {
            label: certainty(label, result.labels, result.review) for label in LABELS
        },
        "evidence": {
            label: [text[start:end] for start, end in spans]
            for label, spans in result.evidence.items()
        },
        "reasons": {
            label: [{"feature": r.feature, "weight": r.weight} for r in rows]
            for label, rows in reasons.items()
        },
    }


def _read(source: str, title: str) -> tuple[str, str]:
    """Return title and text. Raises click.ClickException."""
    if source == "-":
        return title, sys.stdin.read()
    if source.startswith("i_"):
        settings = current_settings()
        url = f"{settings.api_url}/v1/items/{ids.item_id(settings, source)}/text"
        found = call("GET", url, settings).json()
        return title or found["title"] or "", found["text"]
    if source.startswith(("http://", "https://")):
        with HttpClient.of(current_settings()) as client:
            page = fetch_document(client, source, utc_now)
        if isinstance(page, FetchFailure):
            raise click.ClickException(f"{page.reason}: {page.detail}")
        return title or page[1].title, page[1].text
    return _read_file(Path(source), title)


def _read_file(path: Path, title: str) -> tuple[str, str]:
    if not path.is_file():
        raise click.ClickException(
            f"There is no file {path}. Give an item's id, a URL, a file, or - for"
            " standard input."
        )
    if path.suffix not in (".html", ".htm", ".pdf"):
        return title, path.read_text(encoding="utf-8-sig")
    media_type = "application/pdf" if path.suffix == ".pdf" else "text/html"
    try:
        document = read_page(
            path.read_bytes(),
            media_type=media_type,
            charset=None,
            url="https://example.org/",
        )
    except ExtractError as error:
        raise click.ClickException(f"{error.reason}: {error.detail}") from None
    return title or document.title, document.text
