"""Commands about the model: reclassify, corrections, explain."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import IO

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.context import current_settings
from cli.progress import bar
from incidentwire.archive import Archive, ContentNotFound
from incidentwire.documents import StoredDocument
from incidentwire.labels import LABEL_TABLE, LABELS
from incidentwire.log.event_log import EventLog
from incidentwire.net.client import HttpClient
from incidentwire.store import connect
from services.classifier import reclassify as again
from services.classifier.extraction.extract import ExtractError
from services.classifier.extraction.extract import extract as read_page
from services.classifier.fetching.result import FetchFailure
from services.classifier.labelling.classifier import Classifier
from services.classifier.linking.fingerprint_key import fingerprint_key
from services.classifier.page_reading import fetch_document
from services.classifier.recorder import utc_now

TOP = 8  # features shown per label


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
def reclassify(dry_run: bool) -> None:
    """Run the installed model over the kept texts. Can be broken off and started again."""
    settings = current_settings()
    connection = connect(settings.redis_url)
    log, archive, classifier = (
        EventLog(connection),
        Archive(settings.archive),
        Classifier.load(),
    )
    key = fingerprint_key(settings, connection)
    if not dry_run:
        with bar("reclassifying") as advance:
            done = again.apply(log, archive, classifier, key, advance)
        click.echo(f"{done} items have a new judgement by {classifier.version}")
        return
    with bar("comparing") as advance:
        found = again.compare(log, archive, classifier, key, advance)
    console = Console()
    table = Table(
        "label",
        "gained",
        "lost",
        title=f"{len(found.changes)} of {found.looked_at} items change",
    )
    for label in LABELS:
        table.add_row(label, str(found.gained[label]), str(found.lost[label]))
    console.print(table)
    click.echo(
        f"of corrected items: {found.now_with_people} come to people's view, {found.now_against_people} leave it"
    )
    if found.missing:
        click.echo(f"{found.missing} texts are not kept any more")
    for change in found.telling:
        moves = [f"+{label}" for label in sorted(change.gained)] + [
            f"-{label}" for label in sorted(change.lost)
        ]
        console.print(
            Text(
                f"{change.swing:.2f}  {' '.join(moves):<24} {change.item.id}  {change.title}"
            )
        )


@click.group()
def corrections() -> None:
    """What people corrected."""


@corrections.command()
@click.option(
    "--output",
    type=click.File("w"),
    default="-",
    help="JSON lines; - is standard output.",
)
def export(output: IO[str]) -> None:
    """Corrected items as training rows: id, lang, genre, title, text, labels."""
    settings = current_settings()
    log, archive = EventLog(connect(settings.redis_url)), Archive(settings.archive)
    for item in again.kept_items(log):
        if item.corrected is None or item.fetched is None:
            continue
        try:
            document = StoredDocument.from_bytes(
                archive.get(item.id, item.fetched.document_digest)
            )
        except ContentNotFound:
            continue
        row = {
            "id": f"correction-{item.id}",
            "lang": document.language or "en",
            "genre": "correction",
            "title": document.title,
            "text": document.text,
            "labels": list(item.corrected.labels),
        }
        output.write(json.dumps(row, ensure_ascii=False) + "\n")


@click.command()
@click.argument("source")
@click.option("--title", default="", help="Of a text that comes without one.")
def explain(source: str, title: str) -> None:
    """Show a text with its evidence marked, and what counted most. SOURCE is a URL, a file, or - for standard input."""
    title, text = _read(source, title)
    classifier = Classifier.load()
    said = classifier.classify(title, text)
    console = Console()
    marked = Text(text)
    for label, definition in LABEL_TABLE.items():
        for start, end in said.evidence.get(label, ()):
            marked.stylize(f"bold {definition.colour}", start, end)
    if title:
        console.print(Text(title, style="bold"))
    console.print(marked)
    console.print()
    reasons = classifier.explain(title, text, TOP)
    for label in LABELS:
        mark = "●" if label in said.labels else "○"
        unsure = "  (not sure)" if label in said.review else ""
        console.print(
            Text(
                f"{mark} {label} {said.scores[label]:.2f}{unsure}",
                style=LABEL_TABLE[label].colour,
            )
        )
        strongest = ", ".join(
            f"{row.feature} {row.weight:+.2f}" for row in reasons.get(label, ())
        )
        console.print(Text(f"    {strongest}", style="dim"))
    if "language" in said.review:
        console.print(
            f"the text is in {said.language!r}, for which the model was not trained"
        )


def _read(source: str, title: str) -> tuple[str, str]:
    if source == "-":
        return title, sys.stdin.read()
    if source.startswith(("http://", "https://")):
        with HttpClient.of(current_settings()) as door:
            found = fetch_document(door, source, utc_now)
        if isinstance(found, FetchFailure):
            raise click.ClickException(f"{found.reason}: {found.detail}")
        return title or found[1].title, found[1].text
    path = Path(source)
    if not path.exists():
        raise click.ClickException(
            f"there is no file {source}: give a URL, a file, or - for standard input"
        )
    if path.suffix not in (".html", ".htm", ".pdf"):
        return title, path.read_text(encoding="utf-8", errors="replace")
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
